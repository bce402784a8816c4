//! What `contrib/` starts the program with is what the program takes.

use clap::Parser;
use dilithion_node::cli::Cli;

const COMPOSE: &str = include_str!("../../../contrib/docker/compose.yaml");
const UNIT: &str = include_str!("../../../contrib/systemd/dilithion-node.service");

fn assert_taken(arguments: &str) {
    let words = std::iter::once("dilithion-node").chain(arguments.split_whitespace());
    if let Err(error) = Cli::try_parse_from(words) {
        panic!("{arguments}: {error}");
    }
}

#[test]
fn the_containers_are_started_with_options_that_there_are() {
    let mut started = 0;
    let mut lines = COMPOSE.lines().peekable();
    while let Some(line) = lines.next() {
        let Some((indent, _)) = line.split_once("command: >-") else { continue };
        let mut command = String::new();
        let deeper = format!("{indent}  ");
        while let Some(line) = lines.next_if(|line| line.starts_with(&deeper)) {
            command.push_str(line);
        }
        assert_taken(&command);
        started += 1;
    }
    assert_eq!(started, 4, "a producer and three nodes");
}

#[test]
fn the_service_is_started_with_options_that_there_are() {
    let start = UNIT.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let (_, arguments) = start.split_once(' ').unwrap();
    assert_taken(arguments);
}
