//! Data files with flipped bytes: refused with an error, found by the full walk, or without effect. Never a crash.
//!
//! `DILITHION_FLIPS=1000` makes it so many flips instead of a few.

use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::{env, fs};

use dilithion_chain::{ChainReader, Chainstate, Depth};
use dilithion_wire::Height;

use crate::{digest, import, open, processes, recorded, small};

/// How many flips there are, unless the environment says otherwise.
const FLIPS: u32 = 60;
/// Flips that one child looks at before the next is started: a crash costs only the rest of them.
const PER_CHILD: u32 = 20;

/// A store with freed pages, undo records and headers ahead of the tip.
fn victim(dir: &Path) -> String {
    let (params, blocks) = recorded::first_500();
    let mut chain = open(dir, &params);
    import(&mut chain, &blocks[..200], 20);
    chain.disconnect_to(Height(150)).unwrap();
    import(&mut chain, &blocks[150..180], 1);
    format!("{} {}", chain.tip().hash, digest(&chain))
}

#[test]
fn flipped_bytes_are_refused_found_or_harmless() {
    let flips = env::var("DILITHION_FLIPS").map_or(FLIPS, |flips| flips.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let expected = victim(dir.path());
    let pristine = fs::read(dir.path().join("data.mdb")).unwrap();
    fs::write(dir.path().join("pristine"), &pristine).unwrap();
    let (mut refused, mut harmless, mut next) = (0, 0, 0);
    while next < flips {
        let upto = flips.min(next + PER_CHILD);
        fs::write(dir.path().join("flips"), format!("{next} {upto}")).unwrap();
        let mut child = processes::spawn("hostile::open_flipped", dir.path());
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut current = String::new();
        for line in lines {
            if let Some(at) = line.strip_prefix("at ") {
                current = at.to_owned();
            } else if line.starts_with("refused ") {
                refused += 1;
            } else if let Some(state) = line.strip_prefix("opened ") {
                assert_eq!(state, expected, "byte and bit {current}: not noticed");
                harmless += 1;
            }
        }
        let status = child.wait().unwrap();
        assert!(status.success(), "byte and bit {current}: {status}, signal {:?}", status.signal());
        next = upto;
    }
    assert_eq!(refused + harmless, flips);
    println!("{flips} flips: {refused} refused, {harmless} without effect");
}

/// The flip of a number: the place and the bit. Every fourth is on one of the two meta pages, and every fourth in the
/// header of some page.
fn flip(number: u32, len: usize) -> (usize, u8) {
    let mut random = number.wrapping_mul(0x9e37_79b9) ^ 0x5bd1_e995;
    random ^= random >> 15;
    random = random.wrapping_mul(0x2c1b_3c6d);
    random ^= random >> 12;
    let at = random as usize;
    let place = match number % 4 {
        0 => at % 2 * 4096 + (at / 2) % 152,
        1 => at % (len / 4096) * 4096 + (at / 7) % 32,
        _ => at % len,
    };
    (place, 1 << (random >> 29))
}

#[test]
#[ignore = "child process of `flipped_bytes_are_refused_found_or_harmless`"]
fn open_flipped() {
    let Some(dir) = processes::given_dir() else { return };
    let (params, blocks) = recorded::first_500();
    let pristine = fs::read(dir.join("pristine")).unwrap();
    let range = fs::read_to_string(dir.join("flips")).unwrap();
    let (from, to) = range.split_once(' ').unwrap();
    let data = dir.join("data.mdb");
    for number in from.parse().unwrap()..to.parse().unwrap() {
        fs::write(&data, &pristine).unwrap();
        let (place, bit) = flip(number, pristine.len());
        processes::say(&format!("at {place} {bit}"));
        let mut file = fs::OpenOptions::new().write(true).open(&data).unwrap();
        file.seek(SeekFrom::Start(place as u64)).unwrap();
        file.write_all(&[pristine[place] ^ bit]).unwrap();
        drop(file);
        let result = Chainstate::open(&dir, params.clone(), small()).and_then(|mut chain| {
            let state = format!("{} {}", chain.tip().hash, digest(&chain));
            // Whatever was passed as sound can be used.
            chain.reader().headers().try_for_each(|header| header.map(drop))?;
            assert_eq!(chain.connect(&blocks[180..190])?.failure, None);
            chain.disconnect_to(Height(100))?;
            chain.reader().check_integrity(Depth::Full)?;
            drop(chain);
            ChainReader::open(&dir)?.check_integrity(Depth::Full)?;
            Ok(state)
        });
        match result {
            Ok(state) => processes::say(&format!("opened {state}")),
            Err(error) => processes::say(&format!("refused {error}")),
        }
    }
}
