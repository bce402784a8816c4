//! Huge pages.

use std::ffi::c_void;
use std::ops::Range;
use std::ptr::NonNull;
use std::{fmt, fs};

use super::ffi::Flags;

/// The pages below a large block of memory. Huge ones save 15 % of the time of a light hash, 40 % of a fast
/// one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pages {
    /// Reserved huge pages (hugetlbfs).
    Reserved,
    /// Transparent huge pages.
    Transparent,
    /// Pages of the usual size.
    Small,
}

impl fmt::Display for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reserved => "reserved huge pages",
            Self::Transparent => "transparent huge pages",
            Self::Small => "small pages",
        })
    }
}

impl Pages {
    /// These, or what the kernel gave of its own accord or on advice, once the memory has been touched.
    pub(super) fn or_found_in(self, span: HugeSpan) -> Self {
        if self != Self::Small {
            return self;
        }
        // Half of it is enough to call it huge: the kernel gives what it has.
        match fs::read_to_string("/proc/self/smaps") {
            Ok(smaps) if huge_bytes(&smaps, span.start.addr()) >= span.len / 2 => Self::Transparent,
            _ => Self::Small,
        }
    }
}

/// Allocates an object of the library: on reserved huge pages if they are wanted and there are any, else on
/// small ones.
pub(super) fn allocate<R>(
    flags: Flags,
    huge_pages: bool,
    allocate: extern "C" fn(Flags) -> *mut R,
) -> Option<(NonNull<R>, Pages)> {
    let reserved = || NonNull::new(allocate(flags | Flags::LARGE_PAGES));
    huge_pages
        .then(reserved)
        .flatten()
        .map(|raw| (raw, Pages::Reserved))
        .or_else(|| Some((NonNull::new(allocate(flags))?, Pages::Small)))
}

/// Size and alignment of a huge page.
const HUGE_PAGE_BYTES: usize = 2 * 1024 * 1024;

/// The huge pages that lie wholly within a block of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HugeSpan {
    pub(super) start: *mut c_void,
    pub(super) len: usize,
}

impl HugeSpan {
    pub(super) fn within(block: *mut c_void, len: usize) -> Self {
        let before = block.addr().wrapping_neg() % HUGE_PAGE_BYTES;
        let len = len.saturating_sub(before);
        Self { start: block.wrapping_byte_add(before), len: len - len % HUGE_PAGE_BYTES }
    }

    /// Asks the kernel to back the span with transparent huge pages. To be called before the memory is first
    /// touched. Whether it had an effect is seen by [`Pages::or_found_in`].
    ///
    /// # Safety
    /// The span is memory that the caller owns.
    #[cfg(target_os = "linux")]
    pub(super) unsafe fn advise(self) {
        // SAFETY: the advice changes the size of pages, not their content, and the caller owns the memory.
        let _ = unsafe { rustix::mm::madvise(self.start, self.len, rustix::mm::Advice::LinuxHugepage) };
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) unsafe fn advise(self) {}
}

/// Bytes on transparent huge pages in the mapping that holds `address`, from the text of `/proc/self/smaps`.
fn huge_bytes(smaps: &str, address: usize) -> usize {
    let mut lines = smaps.lines();
    lines.find(|line| mapping(line).is_some_and(|range| range.contains(&address)));
    lines
        .take_while(|line| mapping(line).is_none())
        .find_map(|line| line.strip_prefix("AnonHugePages:")?.trim().strip_suffix(" kB")?.parse().ok())
        .map_or(0, |kib: usize| kib.saturating_mul(1024))
}

/// The addresses in the first line of a mapping.
pub(super) fn mapping(line: &str) -> Option<Range<usize>> {
    let (start, end) = line.split_whitespace().next()?.split_once('-')?;
    Some(usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?)
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;

    const MIB: usize = 1024 * 1024;

    #[test]
    fn a_span_holds_whole_huge_pages_only() {
        let within = |start: usize, len| HugeSpan::within(ptr::without_provenance_mut(start), len);
        let span = |start: usize, len| HugeSpan { start: ptr::without_provenance_mut(start), len };
        assert_eq!(within(4 * MIB, 256 * MIB), span(4 * MIB, 256 * MIB));
        assert_eq!(within(4 * MIB + 64, 256 * MIB), span(6 * MIB, 254 * MIB));
        assert_eq!(within(4 * MIB + 64, MIB).len, 0);
    }

    #[test]
    fn smaps_tell_what_a_mapping_got() {
        let smaps = "\
7f0000000000-7f0010000000 rw-p 00000000 00:00 0 \n\
Size:             262144 kB\n\
AnonHugePages:    260096 kB\n\
VmFlags: rd wr mr mw me ac hg\n\
7f0010000000-7f0020000000 rw-p 00000000 00:00 0 \n\
Size:             262144 kB\n\
AnonHugePages:         0 kB\n";
        assert_eq!(huge_bytes(smaps, 0x7f00_0020_0000), 260_096 * 1024);
        assert_eq!(huge_bytes(smaps, 0x7f00_1000_0000), 0);
        assert_eq!(huge_bytes(smaps, 0x1000), 0);
    }
}
