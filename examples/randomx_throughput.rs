//! Hashes per second on all cores, in light mode: `randomx_throughput [THREADS] [HASHES]`.
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

use dilithion_pow::{DILITHION_KEY, PoolConfig, PowMode, PowPool, RandomX, RandomXOptions};

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let threads = arguments.next().map(|text| text.parse::<NonZeroUsize>()).transpose()?;
    let hashes: u32 = arguments.next().map_or(Ok(100), |text| text.parse())?;

    let start = Instant::now();
    let options = RandomXOptions { mode: PowMode::Light, ..RandomXOptions::default() };
    let hasher = Arc::new(RandomX::new(DILITHION_KEY, options)?);
    println!("cache ready after {:.2} s", start.elapsed().as_secs_f64());

    let pool: PowPool<()> = PowPool::new(PoolConfig { threads, niceness: None }, hasher, |_| {})?;
    let headers: Vec<[u8; 80]> = (0..hashes)
        .map(|nonce| {
            let mut header = [0; 80];
            header[76..].copy_from_slice(&nonce.to_le_bytes());
            header
        })
        .collect();
    let start = Instant::now();
    let ids = pool.hash_all(&headers);
    let seconds = start.elapsed().as_secs_f64();
    println!("{} hashes in {seconds:.2} s: {:.1} hashes/s", ids.len(), f64::from(hashes) / seconds);
    println!("{}", pool.stats());
    Ok(())
}
