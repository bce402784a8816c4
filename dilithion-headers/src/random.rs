//! Picks for the spot checks: small, seeded, reproducible.

/// `SplitMix64` (Steele, Lea, Flood 2014).
#[derive(Debug, Clone)]
pub(crate) struct SplitMix64(u64);

impl SplitMix64 {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// `count` different numbers below `end` (all of them, if there are fewer), ascending.
    pub(crate) fn pick(&mut self, count: usize, end: usize) -> Vec<usize> {
        if count >= end {
            return (0..end).collect();
        }
        let mut picks = Vec::with_capacity(count);
        // Floyd's sampling: every subset is equally likely (but for a bias of 2^-53 from the remainder).
        for last in end - count..end {
            let range = last as u64 + 1;
            let pick = usize::try_from(self.next() % range).unwrap_or(last);
            picks.push(if picks.contains(&pick) { last } else { pick });
        }
        picks.sort_unstable();
        picks
    }
}

#[cfg(test)]
mod tests {
    use super::SplitMix64;

    #[test]
    fn follows_the_published_sequence() {
        let mut random = SplitMix64::new(1_234_567);
        let expected = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!([random.next(), random.next(), random.next()], expected);
    }

    #[test]
    fn picks_are_different_and_cover_everything() {
        let mut random = SplitMix64::new(7);
        let mut seen = [false; 20];
        for _ in 0..200 {
            let picks = random.pick(3, 20);
            assert_eq!(picks.len(), 3);
            assert!(picks.windows(2).all(|pair| pair[0] < pair[1]));
            picks.into_iter().for_each(|pick| seen[pick] = true);
        }
        assert_eq!(seen, [true; 20]);
    }

    #[test]
    fn few_are_all_taken() {
        assert_eq!(SplitMix64::new(0).pick(3, 2), [0, 1]);
        assert_eq!(SplitMix64::new(0).pick(3, 0), [0usize; 0]);
    }
}
