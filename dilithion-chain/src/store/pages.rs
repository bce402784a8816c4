//! The pages of the data file, checked before LMDB believes them.
//!
//! LMDB follows page numbers and offsets in its file without a look, so a damaged one ends the process. Here the same
//! trees are walked with every step checked: page numbers and kinds, bounds of nodes, order of keys, depths and counts,
//! and that no page has two owners. Contents of records are none of this module's business. Long values are not read.
//!
//! The layout is LMDB's (`mdb.c`, data version 1, pages of 64-bit systems, native byte order).

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use crate::error::StoreError;

const MAGIC: u32 = 0xbeef_c0de;
const VERSION: u32 = 1;
/// No page: the root of an empty tree.
const INVALID: u64 = u64::MAX;
/// Pages of LMDB are between these sizes.
const PAGE_SIZES: std::ops::RangeInclusive<usize> = 256..=0x8000;
/// Deepest tree that LMDB's cursors can walk.
const MAX_DEPTH: u16 = 32;
const PAGE_HEADER: usize = 16;
const NODE_HEADER: usize = 8;
const BRANCH: u16 = 0x01;
const LEAF: u16 = 0x02;
const OVERFLOW: u16 = 0x04;
const META: u16 = 0x08;
/// Flags of a node: its value is on pages of its own; its value is the root of a named database.
const BIG_DATA: u16 = 0x01;
const SUB_DATA: u16 = 0x02;
/// Bytes of the record of a tree.
const TREE_BYTES: usize = 48;
/// Bytes of a meta page that matter, from its beginning.
const META_BYTES: usize = 152;

/// What a tree is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Transaction to the pages that it freed; its keys are native integers.
    Free,
    /// Name to the root of a database.
    Main,
    /// One of those.
    Named,
}

impl Role {
    /// A form of the key that sorts as LMDB sorts it.
    fn sortable(self, key: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Free => Some(u64::from_ne_bytes(key.try_into().ok()?).to_be_bytes().to_vec()),
            Self::Main | Self::Named => Some(key.to_vec()),
        }
    }
}

/// What is wrong with a page.
type Fault = (u64, &'static str);

/// The root record of a tree (`MDB_db`).
#[derive(Debug, Clone, Copy)]
struct Tree {
    pad: u32,
    flags: u16,
    depth: u16,
    entries: u64,
    root: u64,
}

/// What a meta page says.
#[derive(Debug, Clone, Copy)]
struct Meta {
    free: Tree,
    main: Tree,
    last_page: u64,
    txnid: u64,
}

/// Checks the two meta pages of a data file, if there is one: without them LMDB cannot be asked anything.
pub(crate) fn check_metas(data: &Path) -> Result<(), StoreError> {
    with_file(data, |file| file.metas().map(drop))
}

/// Checks all trees of a data file that nobody writes to, if there is one.
pub(crate) fn check_all(data: &Path) -> Result<(), StoreError> {
    with_file(data, |file| {
        let metas = file.metas()?;
        let newest = if metas[0].txnid > metas[1].txnid { metas[0] } else { metas[1] };
        file.check_trees(&newest)
    })
}

/// Checks all trees of the state that a read transaction sees, beside a writer. `None` if the meta page of that state
/// was replaced before it could be read.
pub(crate) fn check_snapshot(data: &Path, txnid: u64) -> Result<Option<()>, StoreError> {
    let mut found = None;
    with_file(data, |file| {
        // While somebody writes the two need not fit together.
        let metas = [file.meta(0)?, file.meta(1)?];
        if let Some(meta) = metas.into_iter().find(|meta| meta.txnid == txnid) {
            file.check_trees(&meta)?;
            found = Some(());
        }
        Ok(())
    })?;
    Ok(found)
}

fn with_file(data: &Path, check: impl FnOnce(&mut Pages) -> Result<(), Fault>) -> Result<(), StoreError> {
    // The layout of other systems is not known here; LMDB is on its own there.
    if cfg!(not(target_pointer_width = "64")) {
        return Ok(());
    }
    let io = |source| StoreError::Io { path: data.to_owned(), source };
    let file = match File::open(data) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io(error)),
    };
    let len = file.metadata().map_err(io)?.len();
    if len == 0 {
        return Ok(()); // LMDB takes it for a new one
    }
    let mut pages = Pages { file, len, size: 0, used: Vec::new(), free: Vec::new(), named: Vec::new() };
    check(&mut pages).map_err(|(page, reason)| StoreError::BadPage { page, reason })
}

struct Pages {
    file: File,
    len: u64,
    /// Bytes of a page.
    size: usize,
    /// A bit for each page of the file that has an owner.
    used: Vec<u64>,
    /// Lists of free pages.
    free: Vec<Vec<u8>>,
    /// Named databases.
    named: Vec<Tree>,
}

impl Pages {
    /// Both meta pages, which must be those of two transactions in a row.
    fn metas(&mut self) -> Result<[Meta; 2], Fault> {
        let metas = [self.meta(0)?, self.meta(1)?];
        let [first, second] = metas.map(|meta| meta.txnid);
        let fresh = first == 0 && second == 0;
        if !fresh && (first % 2 != 0 || second % 2 != 1 || first.abs_diff(second) != 1) {
            return Err((0, "the meta pages are not those of two transactions in a row"));
        }
        Ok(metas)
    }

    fn meta(&mut self, page: u64) -> Result<Meta, Fault> {
        let at = page.saturating_mul(self.size as u64);
        let bytes = self.bytes(at, META_BYTES).ok_or((page, "a meta page is missing"))?;
        let wrong = |reason| Err((page, reason));
        if u64_at(&bytes, 0) != page || u16_at(&bytes, 10) & META == 0 {
            return wrong("not a meta page");
        }
        if u32_at(&bytes, 16) != MAGIC || u32_at(&bytes, 20) != VERSION {
            return wrong("not a data file of LMDB, or of another version");
        }
        let (free, main) = (tree_at(&bytes, 40), tree_at(&bytes, 88));
        let size = free.pad as usize;
        if !PAGE_SIZES.contains(&size) || !size.is_power_of_two() || (page == 1 && size != self.size) {
            return wrong("impossible page size");
        }
        self.size = size;
        let meta = Meta { free, main, last_page: u64_at(&bytes, 136), txnid: u64_at(&bytes, 144) };
        let beyond = |root: u64| root != INVALID && (root > meta.last_page || root < 2);
        if meta.last_page < 1 || meta.last_page > u64::MAX >> 16 || beyond(free.root) || beyond(main.root) {
            return wrong("a root outside the file");
        }
        Ok(meta)
    }

    fn check_trees(&mut self, meta: &Meta) -> Result<(), Fault> {
        let in_file = usize::try_from(self.len / self.size as u64).unwrap_or(usize::MAX);
        self.used = vec![0; in_file.div_ceil(64)];
        self.check_tree(&meta.free, Role::Free)?;
        if meta.main.flags != 0 {
            return Err((meta.main.root, "a database of another kind"));
        }
        self.check_tree(&meta.main, Role::Main)?;
        for tree in std::mem::take(&mut self.named) {
            if tree.flags != 0 {
                return Err((tree.root, "a database of another kind"));
            }
            self.check_tree(&tree, Role::Named)?;
        }
        let lists = std::mem::take(&mut self.free);
        self.check_free(&lists, meta)
    }

    /// Every free page is inside the file, or at least not in use; the end of the file may be missing if it is free.
    fn check_free(&mut self, lists: &[Vec<u8>], meta: &Meta) -> Result<(), Fault> {
        let mut beyond = Vec::new();
        for list in lists {
            // A count, so many pages, and maybe space for more.
            let (words, _) = list.as_chunks::<8>();
            let mut words = words.iter().map(|word| u64::from_ne_bytes(*word));
            let cut = (meta.free.root, "a list of free pages is cut short");
            for _ in 0..words.next().ok_or(cut)? {
                let page = words.next().ok_or(cut)?;
                if page < 2 || page > meta.last_page {
                    return Err((page, "a free page outside the file"));
                }
                if page < self.len / self.size as u64 {
                    self.own(page)?;
                } else {
                    beyond.push(page);
                }
            }
        }
        beyond.sort_unstable();
        beyond.dedup();
        let missing = meta.last_page.saturating_add(1).saturating_sub(self.len / self.size as u64);
        if beyond.len() as u64 != missing {
            return Err((meta.last_page, "the file is shorter than its contents"));
        }
        Ok(())
    }

    fn check_tree(&mut self, tree: &Tree, role: Role) -> Result<(), Fault> {
        if tree.root == INVALID {
            return if tree.entries == 0 { Ok(()) } else { Err((INVALID, "an empty tree with entries")) };
        }
        if tree.depth == 0 || tree.depth > MAX_DEPTH {
            return Err((tree.root, "a tree of an impossible depth"));
        }
        let entries = self.check_page(tree.root, tree.depth, role)?;
        if entries == tree.entries { Ok(()) } else { Err((tree.root, "a tree with a wrong count")) }
    }

    /// Checks a page and all below it, and counts its records; `level` is 1 for a leaf.
    fn check_page(&mut self, number: u64, level: u16, role: Role) -> Result<u64, Fault> {
        let wrong = |reason| (number, reason);
        self.own(number)?;
        let at = number.saturating_mul(self.size as u64);
        let page = self.bytes(at, self.size).ok_or(wrong("a page outside the file"))?;
        let kind = if level == 1 { LEAF } else { BRANCH };
        if u64_at(&page, 0) != number || u16_at(&page, 10) != kind {
            return Err(wrong("another page than its parent says"));
        }
        let (lower, upper) = (usize::from(u16_at(&page, 12)), usize::from(u16_at(&page, 14)));
        if lower < PAGE_HEADER + 2 || lower % 2 != 0 || lower > upper || upper > page.len() {
            return Err(wrong("impossible bounds"));
        }
        let mut entries = 0_u64;
        let mut last_key = None;
        for slot in (PAGE_HEADER..lower).step_by(2) {
            let at = usize::from(u16_at(&page, slot));
            let node = page.get(at..).filter(|node| at >= upper && at % 2 == 0 && node.len() >= NODE_HEADER);
            let node = node.ok_or(wrong("a node outside its page"))?;
            let key_end = NODE_HEADER.saturating_add(usize::from(u16_at(node, 6)));
            let key = node.get(NODE_HEADER..key_end).ok_or(wrong("a key outside its page"))?;
            // The first key of a branch page is never looked at.
            if level == 1 || slot > PAGE_HEADER {
                let key = role.sortable(key).ok_or(wrong("a key of a wrong length"))?;
                if last_key.as_ref().is_some_and(|last| *last >= key) {
                    return Err(wrong("keys out of order"));
                }
                last_key = Some(key);
            }
            entries = entries.saturating_add(if level == 1 {
                self.check_record(number, node, key_end, role)?;
                1
            } else {
                let child = u64::from(u32_at(node, 0)) | u64::from(u16_at(node, 4)) << 32;
                self.check_page(child, level.saturating_sub(1), role)?
            });
        }
        Ok(entries)
    }

    /// Checks the value of a leaf's node, and takes note of what other checks need.
    fn check_record(&mut self, page: u64, node: &[u8], key_end: usize, role: Role) -> Result<(), Fault> {
        let wrong = |reason| (page, reason);
        let flags = u16_at(node, 4);
        let len = u32_at(node, 0) as usize;
        let stored = if flags & BIG_DATA == 0 { len } else { 8 };
        let value = node.get(key_end..key_end.saturating_add(stored));
        let value = value.ok_or(wrong("a value outside its page"))?;
        match (role, flags) {
            (Role::Free | Role::Named, 0) | (Role::Main, SUB_DATA) => {}
            (Role::Free | Role::Named, BIG_DATA) => {
                let first = u64_at(value, 0);
                self.own_overflow(first, len)?;
                if role == Role::Free {
                    let at = first.saturating_mul(self.size as u64).saturating_add(PAGE_HEADER as u64);
                    let list = self.bytes(at, len).ok_or(wrong("a value outside the file"))?;
                    self.free.push(list);
                }
                return Ok(());
            }
            _ => return Err(wrong("a node of an unknown kind")),
        }
        match role {
            Role::Free => self.free.push(value.to_vec()),
            Role::Main if value.len() == TREE_BYTES => self.named.push(tree_at(value, 0)),
            Role::Main => return Err(wrong("a database without a root")),
            Role::Named => {}
        }
        Ok(())
    }

    /// Checks the header of the pages of a long value, and takes them.
    fn own_overflow(&mut self, first: u64, len: usize) -> Result<(), Fault> {
        let wrong = |reason| Err((first, reason));
        let at = first.saturating_mul(self.size as u64);
        let Some(header) = self.bytes(at, PAGE_HEADER) else { return wrong("a value outside the file") };
        if u64_at(&header, 0) != first || u16_at(&header, 10) != OVERFLOW {
            return wrong("another page than its record says");
        }
        let pages = len.saturating_add(PAGE_HEADER).div_ceil(self.size) as u64;
        if u64::from(u32_at(&header, 12)) != pages {
            return wrong("a value of another length than its record says");
        }
        (first..first.saturating_add(pages)).try_for_each(|page| self.own(page))
    }

    /// Takes a page of the file, which nothing else may have.
    fn own(&mut self, page: u64) -> Result<(), Fault> {
        let bit = 1_u64 << (page % 64);
        let word = usize::try_from(page / 64).ok().and_then(|word| self.used.get_mut(word));
        let word = word.filter(|_| page >= 2).ok_or((page, "a page outside the file"))?;
        if *word & bit != 0 {
            return Err((page, "a page with two owners"));
        }
        *word |= bit;
        Ok(())
    }

    /// Some bytes of the file, if it reaches that far.
    fn bytes(&mut self, at: u64, len: usize) -> Option<Vec<u8>> {
        if at.checked_add(len as u64)? > self.len {
            return None;
        }
        let mut bytes = vec![0; len];
        self.file.seek(SeekFrom::Start(at)).ok()?;
        self.file.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }
}

fn tree_at(bytes: &[u8], at: usize) -> Tree {
    Tree {
        pad: u32_at(bytes, at),
        flags: u16_at(bytes, at.saturating_add(4)),
        depth: u16_at(bytes, at.saturating_add(6)),
        entries: u64_at(bytes, at.saturating_add(32)),
        root: u64_at(bytes, at.saturating_add(40)),
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes(array_at(bytes, at))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(array_at(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_ne_bytes(array_at(bytes, at))
}

/// Bytes at a place that was found to be inside; zeros otherwise.
fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}
