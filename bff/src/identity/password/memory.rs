use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use argon2::Block;

/// The memory that Argon2 works in, kept from hash to hash: the kernel would
/// clear every page of a fresh one, which takes a fifth of the time of a hash.
/// As many are kept as ever ran at once. Cloning shares them.
///
/// They aren't cleared after a hash of two passes or more: what stays there are
/// blocks of the last pass, so that a guess at the password costs whoever can read
/// them all passes but one, a half of the work at worst, as it costs those who have
/// the stored hash all of it.
#[derive(Clone, Default)]
pub(super) struct Memory(Arc<Mutex<Vec<Vec<Block>>>>);

impl Memory {
    /// Does work in at least this many blocks.
    pub(super) fn lend<T>(&self, blocks: usize, work: impl FnOnce(&mut [Block]) -> T) -> T {
        let mut memory = self.idle().pop().unwrap_or_default();
        if memory.len() < blocks {
            memory.resize(blocks, Block::new());
        }
        let done = work(&mut memory);
        self.idle().push(memory);
        done
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Vec<Block>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
