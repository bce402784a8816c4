//! The C library called in a loop, with the flags that it recommends, and its memory on huge pages: reserved ones, or
//! transparent ones. Nothing is checked that a program would have to check, and nothing is ever freed.

use std::ffi::{c_int, c_uint, c_ulong, c_void};
use std::ptr;
use std::thread;

use dilithion_pow::{DILITHION_KEY, HashWorker, PowHash, PowMode};
/// Makes the linker see the library.
use randomx_rs as _;

const LARGE_PAGES: c_uint = 1;
const FULL_MEM: c_uint = 4;
const MADV_HUGEPAGE: c_int = 14;
const HUGE_PAGE_BYTES: usize = 2 << 20;
const CACHE_BYTES: usize = 256 << 20;

unsafe extern "C" {
    safe fn randomx_get_flags() -> c_uint;
    safe fn randomx_alloc_cache(flags: c_uint) -> *mut c_void;
    fn randomx_init_cache(cache: *mut c_void, key: *const c_void, size: usize);
    safe fn randomx_alloc_dataset(flags: c_uint) -> *mut c_void;
    safe fn randomx_dataset_item_count() -> c_ulong;
    fn randomx_init_dataset(dataset: *mut c_void, cache: *mut c_void, start: c_ulong, count: c_ulong);
    fn randomx_get_dataset_memory(dataset: *mut c_void) -> *mut c_void;
    fn randomx_create_vm(flags: c_uint, cache: *mut c_void, dataset: *mut c_void) -> *mut c_void;
    fn randomx_calculate_hash(vm: *mut c_void, input: *const c_void, size: usize, output: *mut c_void);
    fn madvise(address: *mut c_void, length: usize, advice: c_int) -> c_int;
}

/// A cache, or a dataset. Never written to once it is made.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    flags: c_uint,
    cache: *mut c_void,
    dataset: *mut c_void,
}

// SAFETY: the library only reads a cache or dataset once it is filled.
unsafe impl Sync for Memory {}

impl Memory {
    pub(crate) fn new(mode: PowMode) -> Self {
        let flags = randomx_get_flags();
        let (cache, is_reserved) = allocate(flags, randomx_alloc_cache);
        if !is_reserved {
            // SAFETY: the first field of a cache is the address of its memory.
            let memory = unsafe { cache.cast::<*mut c_void>().read() };
            advise(memory, CACHE_BYTES);
        }
        // SAFETY: the cache is live, and the key is as long as is said.
        unsafe { randomx_init_cache(cache, DILITHION_KEY.as_ptr().cast(), DILITHION_KEY.len()) };
        let light = Self { flags, cache, dataset: ptr::null_mut() };
        if mode == PowMode::Fast { light.fast() } else { light }
    }

    fn fast(self) -> Self {
        let items = randomx_dataset_item_count();
        let (dataset, is_reserved) = allocate(self.flags, randomx_alloc_dataset);
        if !is_reserved {
            // SAFETY: the dataset is live.
            let memory = unsafe { randomx_get_dataset_memory(dataset) };
            advise(memory, usize::try_from(items).expect("64 bits") * 64);
        }
        let filled = Self { flags: self.flags | FULL_MEM, dataset, ..self };
        let half = items / 2;
        thread::scope(|scope| {
            for (start, count) in [(0, half), (half, items - half)] {
                let filled = &filled;
                scope.spawn(move || filled.fill(start, count));
            }
        });
        Self { cache: ptr::null_mut(), ..filled }
    }

    fn fill(&self, start: c_ulong, count: c_ulong) {
        // SAFETY: both are live, and the halves do not overlap.
        unsafe { randomx_init_dataset(self.dataset, self.cache, start, count) };
    }

    /// A machine on it.
    pub(crate) fn worker(&self) -> Worker {
        // SAFETY: the flags say which of the two is there, and it is never freed.
        let vm = unsafe { randomx_create_vm(self.flags, self.cache, self.dataset) };
        assert!(!vm.is_null(), "memory for the machine");
        Worker(vm)
    }
}

/// An object on reserved huge pages, or on others; whether it is the former.
fn allocate(flags: c_uint, allocate: extern "C" fn(c_uint) -> *mut c_void) -> (*mut c_void, bool) {
    let reserved = allocate(flags | LARGE_PAGES);
    if !reserved.is_null() {
        return (reserved, true);
    }
    let object = allocate(flags);
    assert!(!object.is_null(), "memory for RandomX");
    (object, false)
}

/// Asks for transparent huge pages.
fn advise(memory: *mut c_void, len: usize) {
    let before = memory.addr().wrapping_neg() % HUGE_PAGE_BYTES;
    // SAFETY: the range lies within memory that nobody uses yet, and the advice does not change what is in it.
    unsafe { madvise(memory.wrapping_byte_add(before), len - before, MADV_HUGEPAGE) };
}

/// A machine.
pub(crate) struct Worker(*mut c_void);

impl HashWorker for Worker {
    fn hash(&mut self, input: &[u8]) -> PowHash {
        let mut hash = PowHash::default();
        // SAFETY: the machine is live and borrowed by nobody else; the input is as long as is said, and the output
        // has 32 bytes.
        unsafe {
            randomx_calculate_hash(self.0, input.as_ptr().cast(), input.len(), hash.as_mut_ptr().cast());
        };
        hash
    }
}
