//! Which way a message goes. The whole routing decision is this table.

use dilithion_wire::Command;

/// The path a message takes through the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Answered at once, on the connection's own task.
    Control,
    /// To the header pipeline.
    Headers,
    /// To the block pipeline.
    Blocks,
}

/// The lane of a command.
#[must_use]
pub fn lane_of(command: &Command) -> Lane {
    match command.as_str() {
        "headers" => Lane::Headers,
        "block" => Lane::Blocks,
        _ => Lane::Control,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_headers_and_blocks_leave_the_control_lane() {
        assert_eq!(lane_of(&Command::HEADERS), Lane::Headers);
        assert_eq!(lane_of(&Command::BLOCK), Lane::Blocks);
        for command in [Command::VERSION, Command::VERACK, Command::PING, Command::GETHEADERS, Command::INV] {
            assert_eq!(lane_of(&command), Lane::Control);
        }
    }
}
