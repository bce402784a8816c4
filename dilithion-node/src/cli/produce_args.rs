//! The options of `run` that make a node produce blocks.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::producer::{PRODUCER_INTERVAL, Payee, ProducerConfig, TEST_INTERVAL};

/// How blocks are made.
#[derive(Args, Clone, Debug, Default)]
pub struct ProduceArgs {
    /// Make a block every SECS seconds, on private networks only [without a number: 5]
    #[arg(long, value_name = "SECS", num_args = 0..=1, require_equals = true, default_missing_value = "",
          value_parser = seconds)]
    pub produce: Option<Duration>,
    /// Make ten blocks a second
    #[arg(long, requires = "produce")]
    pub test_mode: bool,
    /// Who gets the coins of blocks made here [default: the owner of --identity-key; without one they are lost]
    #[arg(long, value_name = "ADDRESS", value_parser = Payee::address)]
    pub mining_address: Option<Payee>,
    /// The file with the key of who makes the blocks, where blocks name their miner; made if it is not there
    #[arg(long, value_name = "FILE", value_parser = file)]
    pub identity_key: Option<PathBuf>,
}

impl ProduceArgs {
    /// What they ask for.
    #[must_use]
    pub fn config(&self) -> ProducerConfig {
        let interval = self.produce.map(|asked| if self.test_mode { TEST_INTERVAL } else { asked });
        let (payee, identity_key) = (self.mining_address.clone(), self.identity_key.clone());
        ProducerConfig { interval, payee, identity_key }
    }
}

/// A file, wherever the process may go: a node in the background leaves the folder that it was started in.
fn file(text: &str) -> std::io::Result<PathBuf> {
    std::path::absolute(text)
}

/// A number of seconds, fractions allowed; the usual interval if none is given.
fn seconds(text: &str) -> Result<Duration, String> {
    if text.is_empty() {
        return Ok(PRODUCER_INTERVAL);
    }
    let seconds: f64 = text.parse().map_err(|error| format!("{error}"))?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: ProduceArgs,
    }

    fn interval(line: &[&str]) -> Option<Duration> {
        let line = Line::try_parse_from([&["run"], line].concat()).unwrap();
        line.args.config().interval
    }

    #[test]
    fn blocks_are_made_when_asked_for_and_every_five_seconds_unless_told_otherwise() {
        assert_eq!(interval(&[]), None);
        assert_eq!(interval(&["--produce"]), Some(Duration::from_secs(5)));
        assert_eq!(interval(&["--produce=1"]), Some(Duration::from_secs(1)));
        assert_eq!(interval(&["--produce=0.25"]), Some(Duration::from_millis(250)));
        assert_eq!(interval(&["--produce", "--test-mode"]), Some(Duration::from_millis(100)));
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [&["--produce=-1"][..], &["--produce=soon"], &["--test-mode"], &["--mining-address=D"]] {
            assert!(Line::try_parse_from([&["run"], line].concat()).is_err(), "{line:?}");
        }
    }

    #[test]
    fn coins_are_lost_unless_there_is_an_address() {
        assert_eq!(ProduceArgs::default().config().payee, None);
        let address = "DJrywx4AsVQSPLZCKRdg8erZdPMNaRSrKq";
        let line = Line::try_parse_from(["run", "--mining-address", address]).unwrap();
        assert_eq!(line.args.config().payee, Some(Payee::address(address).unwrap()));
    }

    #[test]
    fn a_key_file_is_found_from_any_folder() {
        assert_eq!(ProduceArgs::default().config().identity_key, None);
        let line = Line::try_parse_from(["run", "--identity-key", "miner.key"]).unwrap();
        let here = std::env::current_dir().unwrap();
        assert_eq!(line.args.config().identity_key, Some(here.join("miner.key")));
        assert!(Line::try_parse_from(["run", "--identity-key", ""]).is_err());
    }
}
