//! A list that grows without moving, so that it never needs room for two copies nor leaves half of its room empty.

/// Elements of a chunk; a power of two, so that finding one is a shift and a mask.
const CHUNK: usize = 1024;

/// A list in chunks of [`CHUNK`] elements. All chunks but the last are full.
#[derive(Debug, Clone)]
pub(super) struct Chunks<T> {
    chunks: Vec<Vec<T>>,
}

impl<T> Chunks<T> {
    pub(super) fn of(first: T) -> Self {
        // The first chunk grows by need: small trees stay small.
        Self { chunks: vec![vec![first]] }
    }

    pub(super) fn len(&self) -> usize {
        let full = self.chunks.len().saturating_sub(1) * CHUNK;
        full + self.chunks.last().map_or(0, Vec::len)
    }

    pub(super) fn get(&self, position: usize) -> Option<&T> {
        self.chunks.get(position / CHUNK)?.get(position % CHUNK)
    }

    pub(super) fn last(&self) -> Option<&T> {
        self.chunks.last()?.last()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten()
    }

    pub(super) fn push(&mut self, element: T) {
        match self.chunks.last_mut().filter(|chunk| chunk.len() < CHUNK) {
            Some(chunk) => chunk.push(element),
            None => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(element);
                self.chunks.push(chunk);
            }
        }
    }

    /// Drops what is at `len` and after.
    pub(super) fn truncate(&mut self, len: usize) {
        self.chunks.truncate(len.div_ceil(CHUNK));
        if len < self.len()
            && let Some(chunk) = self.chunks.last_mut()
        {
            chunk.truncate(len - len.saturating_sub(1) / CHUNK * CHUNK);
        }
    }
}

/// For positions that the owner knows to be there.
impl<T> core::ops::Index<usize> for Chunks<T> {
    type Output = T;

    fn index(&self, position: usize) -> &T {
        &self.chunks[position / CHUNK][position % CHUNK]
    }
}

impl<T> core::ops::IndexMut<usize> for Chunks<T> {
    fn index_mut(&mut self, position: usize) -> &mut T {
        &mut self.chunks[position / CHUNK][position % CHUNK]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behaves_like_a_vector() {
        let (mut chunks, mut model) = (Chunks::of(0), vec![0]);
        for len in [1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 2 * CHUNK, CHUNK + 1, CHUNK, 5, 2, 1, 0, 7] {
            while model.len() < len {
                chunks.push(model.len());
                model.push(model.len());
            }
            chunks.truncate(len + 1);
            chunks.truncate(len);
            model.truncate(len);
            assert!(chunks.iter().eq(&model), "{len} elements");
            assert_eq!((chunks.len(), chunks.last()), (len, model.last()));
            assert_eq!(chunks.get(len), None);
            assert!((0..len).all(|position| chunks[position] == position && chunks.get(position).is_some()));
        }
    }
}
