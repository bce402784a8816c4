//! The settings of `run`, some of which other commands heed: flag before environment before file before default.
//!
//! The definition of the flags is the one list of settings: the environment has `DILITHION_` and a flag's name in upper
//! case, the file has the flag's name as its key. What a file says becomes the flag's default, so that everything else
//! goes before it, and is parsed and checked like what is typed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::builder::BoolishValueParser;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches};
use toml::{Table, Value};

use super::term::say;
use super::{BadInput, Cli};

/// The file in the data directory.
const SETTINGS_FILE: &str = "dilithion.toml";
/// What the environment's names begin with.
const ENV_PREFIX: &str = "DILITHION_";
/// The command that has all settings.
const RUN: &str = "run";
/// The commands that heed settings: those of them that they have.
const COMMANDS: [&str; 3] = [RUN, "config", "submit"];
/// Flags that say what to do now and not how a node is set up.
const NO_SETTINGS: [&str; 9] =
    ["help", "version", "config", "dry_run", "print", "template", "daemon_child", "sender", "content"];
/// Flags of which only one counts: given as a flag or by the environment, it puts the others out of the file.
const ONE_OF: [&[&str]; 3] =
    [&["network", "testnet", "chain"], &["verbose", "quiet"], &["no_rpc", "rpcport"]];

/// Settings with this in their name are not shown.
const SECRET: &str = "password";
const HIDDEN: &str = "\"[PASSWORD]\"";

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    Flag,
    Environment(String),
    File(PathBuf),
    Default,
    Unset,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Environment(name) => write!(f, "environment, {name}"),
            Self::File(path) => write!(f, "file, {}", path.display()),
            Self::Default => f.write_str("default"),
            Self::Unset => f.write_str("not set"),
        }
    }
}

#[derive(Debug)]
struct Setting {
    name: String,
    help: String,
    values: Vec<String>,
    /// Written without quotes, as numbers and truth values are.
    bare: bool,
    /// May be given several times.
    list: bool,
    source: Source,
}

/// All settings, with their values and where these come from.
#[derive(Debug, Default)]
pub(super) struct Settings(Vec<Setting>);

/// Parses the command line, the environment and the settings file. Ends the program if the command line makes no sense,
/// or asks for help.
pub(super) fn parse() -> anyhow::Result<(Cli, Settings)> {
    let command = definition();
    let first = command.clone().get_matches();
    let Some((name, matches)) = first.subcommand().filter(|(name, _)| COMMANDS.contains(name)) else {
        return Ok((Cli::from_arg_matches(&first)?, Settings::default()));
    };
    let Some((path, table)) = file(matches)? else {
        let settings = Settings::of(&command, name, matches, None);
        return Ok((Cli::from_arg_matches(&first)?, settings));
    };
    let defaults =
        defaults(&command, name, matches, &table).with_context(|| format!("in {}", path.display()))?;
    let with_file = with_defaults(command, name, &defaults);
    let matches = with_file
        .clone()
        .try_get_matches()
        .map_err(|error| BadInput(format!("in {}: {}", path.display(), error.render())))?;
    let (_, sub) = matches.subcommand().context("the command is there")?;
    let settings = Settings::of(&with_file, name, sub, Some((&path, &defaults)));
    Ok((Cli::from_arg_matches(&matches)?, settings))
}

/// The commands, with a name in the environment for each setting.
fn definition() -> Command {
    COMMANDS.into_iter().fold(Cli::command(), |command, name| {
        command.mut_subcommand(name, |sub| {
            sub.mut_args(|arg| {
                if !is_setting(&arg) {
                    return arg;
                }
                let env = ENV_PREFIX.to_owned() + &arg.get_id().as_str().to_ascii_uppercase();
                let arg = if arg.get_env().is_none() { arg.env(env) } else { arg }.hide_env(true);
                let is_switch = matches!(arg.get_action(), ArgAction::SetTrue);
                if is_switch { arg.value_parser(BoolishValueParser::new()) } else { arg }
            })
        })
    })
}

fn is_setting(arg: &Arg) -> bool {
    arg.get_long().is_some() && !NO_SETTINGS.contains(&arg.get_id().as_str())
}

/// The settings file: the one that was asked for, or the one in the data directory, if it is there.
fn file(matches: &ArgMatches) -> anyhow::Result<Option<(PathBuf, Table)>> {
    // Not every command has this flag.
    let asked: Option<&PathBuf> = matches.try_get_one("config").ok().flatten();
    let datadir: Option<&PathBuf> = matches.get_one("datadir");
    let path = match (asked, datadir.map(|datadir| datadir.join(SETTINGS_FILE))) {
        (Some(asked), _) => asked.clone(),
        (None, Some(path)) if path.exists() => path,
        _ => return Ok(None),
    };
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let table: Table = text.parse().map_err(|error| BadInput(format!("in {}: {error}", path.display())))?;
    Ok(Some((path, table)))
}

/// What a file says, by the flags' ids.
fn defaults(
    command: &Command,
    name: &str,
    matches: &ArgMatches,
    table: &Table,
) -> anyhow::Result<BTreeMap<String, Vec<String>>> {
    let args: BTreeMap<&str, &Arg> =
        settings_of(command, name).filter_map(|arg| Some((arg.get_long()?, arg))).collect();
    let all: BTreeSet<&str> = settings_of(command, RUN).filter_map(Arg::get_long).collect();
    let has = |id: &str| args.values().any(|arg| arg.get_id() == id);
    let given = |id: &str| {
        matches!(matches.value_source(id), Some(ValueSource::CommandLine | ValueSource::EnvVariable))
    };
    // A switch that is off excludes nothing. Keys are written like the flags, ids with underscores.
    let is_set =
        |id: &str| table.get(&id.replace('_', "-")).is_some_and(|value| *value != Value::Boolean(false));
    let mut defaults = BTreeMap::new();
    for (key, value) in table {
        let Some(arg) = args.get(key.as_str()) else {
            if all.contains(key.as_str()) {
                continue;
            }
            anyhow::bail!(BadInput(format!("unknown setting {key:?}")));
        };
        let id = arg.get_id().as_str();
        let others = || ONE_OF.iter().filter(|group| group.contains(&id)).flat_map(|group| group.iter());
        if let Some(other) = others().find(|other| **other != id && is_set(other)).filter(|_| is_set(key)) {
            anyhow::bail!(BadInput(format!("only one of {key:?} and {other:?} can be set")));
        }
        if !others().any(|other| has(other) && given(other)) {
            let values = texts(value)
                .ok_or_else(|| BadInput(format!("the setting {key:?} cannot be a {}", value.type_str())))?;
            if values.len() != 1 && !matches!(arg.get_action(), ArgAction::Append) {
                anyhow::bail!(BadInput(format!("the setting {key:?} has one value")));
            }
            defaults.insert(id.to_owned(), values);
        }
    }
    Ok(defaults)
}

/// A value, or the values of a list, as one would type them.
fn texts(value: &Value) -> Option<Vec<String>> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(truth) => Some(truth.to_string()),
        Value::Datetime(_) | Value::Array(_) | Value::Table(_) => None,
    };
    match value {
        Value::Array(values) => values.iter().map(text).collect(),
        value => Some(vec![text(value)?]),
    }
}

fn with_defaults(command: Command, name: &str, defaults: &BTreeMap<String, Vec<String>>) -> Command {
    command.mut_subcommand(name, |sub| {
        sub.mut_args(|arg| match defaults.get(arg.get_id().as_str()) {
            Some(values) => arg.default_values(values.clone()),
            None => arg,
        })
    })
}

fn settings_of<'a>(command: &'a Command, name: &str) -> impl Iterator<Item = &'a Arg> {
    command.find_subcommand(name).into_iter().flat_map(Command::get_arguments).filter(|arg| is_setting(arg))
}

impl Settings {
    fn of(
        command: &Command,
        name: &str,
        matches: &ArgMatches,
        file: Option<(&Path, &BTreeMap<String, Vec<String>>)>,
    ) -> Self {
        let setting = |arg: &Arg| {
            let id = arg.get_id().as_str();
            let raw = matches.get_raw(id).into_iter().flatten();
            let values: Vec<String> = raw.map(|value| value.to_string_lossy().into_owned()).collect();
            let from_file = file.filter(|(_, defaults)| defaults.contains_key(id)).map(|(path, _)| path);
            let source = match (matches.value_source(id), from_file) {
                (Some(ValueSource::CommandLine), _) => Source::Flag,
                (Some(ValueSource::EnvVariable), _) => {
                    let env = arg.get_env().unwrap_or_default();
                    Source::Environment(env.to_string_lossy().into_owned())
                }
                (Some(_), Some(path)) => Source::File(path.to_owned()),
                (Some(_), None) => Source::Default,
                (None, _) => Source::Unset,
            };
            Setting {
                name: arg.get_long().unwrap_or_default().to_owned(),
                help: arg.get_help().map(ToString::to_string).unwrap_or_default(),
                bare: values
                    .iter()
                    .all(|value| value.parse::<u64>().is_ok() || value == "true" || value == "false"),
                list: matches!(arg.get_action(), ArgAction::Append),
                values,
                source,
            }
        };
        Self(settings_of(command, name).map(setting).collect())
    }

    /// Prints all settings as a settings file: as they are, or as they would be without any, with their meaning.
    pub(super) fn show(&self, template: bool) {
        for setting in &self.0 {
            say(&if template { setting.explained() } else { setting.to_string() });
        }
    }
}

impl Setting {
    fn value(&self) -> String {
        if self.name.contains(SECRET) {
            return HIDDEN.to_owned();
        }
        let one =
            |value: &String| if self.bare { value.clone() } else { Value::from(value.as_str()).to_string() };
        match self.values.as_slice() {
            [value] if !self.list => one(value),
            values => format!("[{}]", values.iter().map(one).collect::<Vec<_>>().join(", ")),
        }
    }

    fn explained(&self) -> String {
        let Self { name, help, .. } = self;
        let value = if self.values.is_empty() { String::new() } else { format!(" {}", self.value()) };
        format!("# {help}\n# {name} ={value}\n")
    }
}

/// As in a settings file, with the source as a comment.
impl std::fmt::Display for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, source, .. } = self;
        if self.values.is_empty() {
            write!(f, "# {name} ")
        } else {
            write!(f, "{name} = {} ", self.value())
        }?;
        write!(f, "# {source}")
    }
}
