//! A storage in memory that loses power, fills up and fails when it is told to, and remembers every
//! operation, so that a run can be cut at any of them.

mod disk;
mod fault;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use annals_embedded::storage::{
    AlignedBuf, BLOCK_BYTES, LockGuard, Storage, StorageFile, WritePath,
};
use parking_lot::{Condvar, Mutex};

pub(crate) use disk::{Operation, SimDisk, Undecided};
pub(crate) use fault::{Call, Effect, Fault};

use disk::FileNumber;

/// What the names of files begin with that hold nothing.
pub(crate) fn is_spare(name: &str) -> bool {
    name.starts_with("spare-")
}

#[derive(Debug, Default)]
struct World {
    /// Before the first operation.
    base: SimDisk,
    disk: SimDisk,
    history: Vec<Operation>,
    faults: Vec<Fault>,
    /// How many bytes the files may have together.
    room: Option<u64>,
    /// Synced writes wait while it is shut, and how many do.
    gate_shut: bool,
    at_the_gate: usize,
}

#[derive(Debug, Default)]
struct Shared {
    world: Mutex<World>,
    gate: Condvar,
    locked: Arc<AtomicBool>,
}

/// The storage; clones are the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct SimStorage(Arc<Shared>);

impl SimStorage {
    /// A storage that continues `disk`.
    pub(crate) fn of(disk: SimDisk) -> Self {
        let storage = Self::default();
        *storage.0.world.lock() = World { base: disk.clone(), disk, ..World::default() };
        storage
    }

    /// The disk before the first operation, and all operations.
    pub(crate) fn history(&self) -> (SimDisk, Vec<Operation>) {
        let world = self.0.world.lock();
        (world.base.clone(), world.history.clone())
    }

    /// How many operations there were.
    pub(crate) fn operations(&self) -> usize {
        self.0.world.lock().history.len()
    }

    /// The disk as it is.
    pub(crate) fn disk(&self) -> SimDisk {
        self.0.world.lock().disk.clone()
    }

    /// Lets a call fail.
    pub(crate) fn inject(&self, fault: Fault) {
        self.0.world.lock().faults.push(fault);
    }

    /// Whether every injected fault came about.
    pub(crate) fn all_faults_happened(&self) -> bool {
        self.0.world.lock().faults.is_empty()
    }

    /// Takes back what has not failed yet.
    pub(crate) fn heal(&self) {
        let mut world = self.0.world.lock();
        world.faults.clear();
        world.room = None;
    }

    /// From now on files cannot grow: the disk is full.
    pub(crate) fn fill(&self) {
        self.fill_but(0);
    }

    /// From now on there is room for `bytes` more.
    pub(crate) fn fill_but(&self, bytes: u64) {
        let mut world = self.0.world.lock();
        world.room = Some(world.disk.used() + bytes);
    }

    /// Holds synced writes up.
    pub(crate) fn shut_gate(&self) {
        self.0.world.lock().gate_shut = true;
    }

    /// Waits until a synced write is held up.
    pub(crate) fn await_write(&self) {
        let mut world = self.0.world.lock();
        while world.at_the_gate == 0 {
            self.0.gate.wait(&mut world);
        }
    }

    /// Lets synced writes go on.
    pub(crate) fn open_gate(&self) {
        self.0.world.lock().gate_shut = false;
        self.0.gate.notify_all();
    }

    /// Runs `operation` unless a fault is due.
    fn call(
        &self,
        call: Call,
        name: &str,
        operation: impl FnOnce(&SimDisk) -> io::Result<Operation>,
    ) -> io::Result<Operation> {
        let mut world = self.0.world.lock();
        let effect = fault::due(&mut world.faults, call, name);
        let operation = operation(&world.disk)?;
        if let Operation::Write { file, length, .. } = &operation
            && let Some(room) = world.room
            && world.disk.used() + length.saturating_sub(world.disk.length(*file)) > room
        {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let (happens, result) = match effect {
            None => (Some(operation.clone()), Ok(operation)),
            Some(effect) => (effect.part_of(operation), Err(effect.error())),
        };
        if let Some(happens) = happens {
            world.disk.apply(&happens);
            world.history.push(happens);
        }
        result
    }

    fn pass_gate(&self) {
        let mut world = self.0.world.lock();
        world.at_the_gate += 1;
        self.0.gate.notify_all();
        while world.gate_shut {
            self.0.gate.wait(&mut world);
        }
        world.at_the_gate -= 1;
    }

    fn opened(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        let mut world = self.0.world.lock();
        if let Some(effect) = fault::due(&mut world.faults, Call::Open, name) {
            return Err(effect.error());
        }
        let number = world.disk.find(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(SimFile { storage: self.clone(), number, name: name.to_owned() }))
    }
}

impl Storage for SimStorage {
    fn location(&self) -> String {
        "simulation".to_owned()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        let made = self.call(Call::Create, name, |disk| match disk.find(name) {
            Some(_) => Err(io::ErrorKind::AlreadyExists.into()),
            None => Ok(Operation::Create { name: name.to_owned(), file: disk.next_number() }),
        })?;
        let Operation::Create { file: number, .. } = made else {
            unreachable!("it was made above")
        };
        Ok(Arc::new(SimFile { storage: self.clone(), number, name: name.to_owned() }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        self.opened(name)
    }

    fn open_writable(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        self.opened(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.0.world.lock().disk.names().cloned().collect())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let remove = |disk: &SimDisk| {
            disk.find(name).ok_or(io::ErrorKind::NotFound)?;
            Ok(Operation::Remove { name: name.to_owned() })
        };
        self.call(Call::Remove, name, remove).map(drop)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let rename = |disk: &SimDisk| {
            disk.find(from).ok_or(io::ErrorKind::NotFound)?;
            Ok(Operation::Rename { from: from.to_owned(), to: to.to_owned() })
        };
        self.call(Call::Rename, to, rename).map(drop)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.call(Call::SyncDirectory, "", |_| Ok(Operation::SyncDirectory)).map(drop)
    }

    fn lock(&self, _name: &str) -> io::Result<Option<Box<dyn LockGuard>>> {
        if self.0.locked.swap(true, Ordering::SeqCst) {
            return Ok(None);
        }
        Ok(Some(Box::new(SimLock(self.0.locked.clone()))))
    }
}

#[derive(Debug)]
struct SimLock(Arc<AtomicBool>);

impl LockGuard for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

#[derive(Debug)]
struct SimFile {
    storage: SimStorage,
    number: FileNumber,
    /// The name it was opened by, which faults are told by.
    name: String,
}

impl SimFile {
    fn write(&self, call: Call, bytes: &[u8], offset: u64, synced: bool) -> io::Result<()> {
        let write = |disk: &SimDisk| {
            let (pages, length) = disk.write(self.number, bytes, offset);
            Ok(Operation::Write { file: self.number, pages, length, synced })
        };
        self.storage.call(call, &self.name, write).map(drop)
    }
}

impl StorageFile for SimFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.storage.0.world.lock().disk.length(self.number))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut world = self.storage.0.world.lock();
        if let Some(effect) = fault::due(&mut world.faults, Call::Read, &self.name) {
            return Err(effect.error());
        }
        Ok(world.disk.read(self.number, buffer, offset))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write(Call::Write, bytes, offset, false)
    }

    fn write_blocks_synced(&self, blocks: &AlignedBuf, offset: u64) -> io::Result<()> {
        assert!(is_aligned(blocks, offset), "direct writes are of whole, aligned blocks");
        self.storage.pass_gate();
        self.write(Call::WriteBlocksSynced, blocks.as_slice(), offset, true)
    }

    fn write_blocks(&self, blocks: &AlignedBuf, offset: u64) -> io::Result<()> {
        assert!(is_aligned(blocks, offset), "direct writes are of whole, aligned blocks");
        self.write(Call::WriteBlocks, blocks.as_slice(), offset, false)
    }

    fn sync(&self) -> io::Result<()> {
        self.storage
            .call(Call::Sync, &self.name, |_| Ok(Operation::Sync { file: self.number }))
            .map(drop)
    }

    fn write_path(&self) -> WritePath {
        WritePath::Direct
    }
}

fn is_aligned(blocks: &AlignedBuf, offset: u64) -> bool {
    let block = BLOCK_BYTES as u64;
    offset.is_multiple_of(block)
        && blocks.len().is_multiple_of(BLOCK_BYTES)
        && blocks.as_slice().as_ptr().addr().is_multiple_of(BLOCK_BYTES)
}
