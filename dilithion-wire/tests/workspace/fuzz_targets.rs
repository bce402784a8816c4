//! No layout goes without a fuzz target.

use std::fs;

use dilithion_wire::Command;

#[test]
fn every_command_has_a_fuzz_target() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/fuzz_targets");
    let targets: String = fs::read_dir(folder)
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    for command in Command::KNOWN {
        let constant = format!("Command::{}", command.as_str().to_uppercase());
        let names = targets.match_indices(&constant).filter(|(at, name)| {
            // `INV` is not named by `INVENTORY`.
            !targets[at + name.len()..].starts_with(|next: char| next.is_alphanumeric())
        });
        assert_eq!(names.count(), 1, "{constant}");
    }
}
