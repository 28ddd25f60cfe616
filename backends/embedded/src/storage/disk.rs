//! The real directory. Log writes go through a second descriptor opened with `O_DIRECT|O_DSYNC`;
//! where the file system refuses it, or wants a greater alignment than a block, they are buffered
//! writes followed by `fdatasync`.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{AlignedBuf, LockGuard, Storage, StorageFile, WritePath};

/// A directory of the operating system.
#[derive(Debug)]
pub struct Disk {
    directory: PathBuf,
    direct: bool,
}

impl Disk {
    /// The directory at `path`; `direct` says whether direct writes are tried.
    pub fn new(path: impl Into<PathBuf>, direct: bool) -> Self {
        Self { directory: path.into(), direct }
    }

    /// Makes the directory and its parents, and makes the new entries durable.
    ///
    /// # Errors
    /// What the system says.
    pub fn create_directory(&self) -> io::Result<()> {
        if self.directory.is_dir() {
            return Ok(());
        }
        fs::create_dir_all(&self.directory)?;
        match self.directory.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
            _ => Ok(()),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn file(&self, file: File, path: &Path, writable: bool) -> Arc<dyn StorageFile> {
        let synced = DirectSync::EachWrite;
        let direct = (writable && self.direct).then(|| open_direct(path, synced)).flatten();
        Arc::new(DiskFile { file, direct, path: path.to_owned() })
    }
}

impl Storage for Disk {
    fn location(&self) -> String {
        self.directory.display().to_string()
    }

    fn directory(&self) -> Option<&Path> {
        Some(&self.directory)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        let path = self.path(name);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        Ok(self.file(file, &path, true))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        let path = self.path(name);
        Ok(self.file(File::open(&path)?, &path, false))
    }

    fn open_writable(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        let path = self.path(name);
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        Ok(self.file(file, &path, true))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn sync_directory(&self) -> io::Result<()> {
        File::open(&self.directory)?.sync_all()
    }

    fn lock(&self, name: &str) -> io::Result<Option<Box<dyn LockGuard>>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.path(name))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(DiskLock { _file: file }))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// The lock ends with the descriptor.
#[derive(Debug)]
struct DiskLock {
    _file: File,
}

impl LockGuard for DiskLock {}

#[derive(Debug)]
struct DiskFile {
    file: File,
    /// The same file, opened for direct synced writes.
    direct: Option<File>,
    /// Where the file is, to open it once more for direct writes that are synced later.
    path: PathBuf,
}

impl StorageFile for DiskFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match self.file.read_at(buffer, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn write_blocks_synced(&self, blocks: &AlignedBuf, offset: u64) -> io::Result<()> {
        match &self.direct {
            Some(direct) => direct.write_all_at(blocks.as_slice(), offset),
            None => {
                self.file.write_all_at(blocks.as_slice(), offset)?;
                self.file.sync_data()
            }
        }
    }

    fn write_blocks(&self, blocks: &AlignedBuf, offset: u64) -> io::Result<()> {
        let direct = self.direct.as_ref().and_then(|_| open_direct(&self.path, DirectSync::Later));
        let file = direct.as_ref().unwrap_or(&self.file);
        file.write_all_at(blocks.as_slice(), offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write_path(&self) -> WritePath {
        if self.direct.is_some() { WritePath::Direct } else { WritePath::Buffered }
    }
}

/// Makes the file `name` of the directory `from` a file of the directory `to` as well.
///
/// # Errors
/// What the system says: the two may be in different file systems, or in one without such names.
pub(crate) fn link(from: &Path, to: &Path, name: &str) -> io::Result<()> {
    fs::hard_link(from.join(name), to.join(name))
}

/// When direct writes are synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DirectSync {
    EachWrite,
    Later,
}

/// The file at `path` opened for direct writes, if the file system takes such writes in blocks.
#[cfg(target_os = "linux")]
fn open_direct(path: &Path, sync: DirectSync) -> Option<File> {
    use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatxFlags, open, statx};

    use super::BLOCK_BYTES;

    let mut flags = OFlags::WRONLY | OFlags::DIRECT | OFlags::CLOEXEC;
    if sync == DirectSync::EachWrite {
        flags |= OFlags::DSYNC;
    }
    let file = open(path, flags, Mode::empty()).ok()?;
    let alignment = statx(CWD, path, AtFlags::empty(), StatxFlags::DIOALIGN).ok()?;
    let fits = |bytes: u32| usize::try_from(bytes).is_ok_and(|bytes| bytes <= BLOCK_BYTES);
    // A zero says that direct I/O is not supported, or (mask absent) that the kernel cannot tell.
    let told = StatxFlags::from_bits_retain(alignment.stx_mask).contains(StatxFlags::DIOALIGN);
    if told && (alignment.stx_dio_offset_align == 0 || !fits(alignment.stx_dio_offset_align)) {
        return None;
    }
    if told && !fits(alignment.stx_dio_mem_align) {
        return None;
    }
    Some(file.into())
}

/// Direct synced writes are Linux only; elsewhere writes are buffered and synced.
#[cfg(not(target_os = "linux"))]
fn open_direct(_path: &Path, _sync: DirectSync) -> Option<File> {
    None
}
