//! What a simulated disk holds: what is durable, what the running system sees, and what lies between
//! the two. Contents are pages of 4 KiB; each becomes durable alone.
//!
//! ```text
//! operations ──► seen by the system ──sync──► durable
//!                       │
//!                 loss of power: durable + any subset of the rest
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::seed::Random;

pub(crate) const PAGE_BYTES: usize = 4096;

pub(crate) type Page = Arc<[u8; PAGE_BYTES]>;

/// A file, whatever its names are.
pub(crate) type FileNumber = u64;

/// What happened to a disk, in order.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    Create {
        name: String,
        file: FileNumber,
    },
    Remove {
        name: String,
    },
    Rename {
        from: String,
        to: String,
    },
    SyncDirectory,
    /// Pages as they are after the write. A synced one is durable when it is over.
    Write {
        file: FileNumber,
        pages: Vec<(u32, Page)>,
        length: u64,
        synced: bool,
    },
    Sync {
        file: FileNumber,
    },
    /// A sync that failed: what it should have made durable may be so or not, and no later sync makes
    /// it so, since the system takes it for written.
    FailedSync {
        file: FileNumber,
    },
}

impl Operation {
    /// The same, of which only some happened: any pages of a write, all of anything else.
    pub(crate) fn some_of(&self, random: &mut Random) -> Self {
        match self {
            Self::Write { file, pages, length, synced } => {
                let kept = random.below(101);
                let some = pages.iter().filter(|_| random.percent(kept)).cloned().collect();
                Self::Write { file: *file, pages: some, length: *length, synced: *synced }
            }
            other => other.clone(),
        }
    }
}

/// Something that may or may not have become durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Undecided {
    Page { file: FileNumber, page: u32, versions: usize },
    Name { change: usize },
}

#[derive(Debug, Clone)]
enum NameChange {
    Create { name: String, file: FileNumber },
    Remove { name: String },
    Rename { from: String, to: String, file: FileNumber },
}

#[derive(Debug, Clone, Default)]
struct Dirty {
    /// The page after each write since it was durable.
    versions: Vec<Page>,
    /// A sync of it failed.
    given_up: bool,
}

#[derive(Debug, Clone, Default)]
struct Content {
    length: u64,
    pages: BTreeMap<u32, Page>,
    durable_length: u64,
    durable: BTreeMap<u32, Page>,
    dirty: BTreeMap<u32, Dirty>,
}

/// A disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct SimDisk {
    contents: BTreeMap<FileNumber, Content>,
    names: BTreeMap<String, FileNumber>,
    durable_names: BTreeMap<String, FileNumber>,
    changes: Vec<NameChange>,
}

impl SimDisk {
    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        self.names.keys()
    }

    pub(crate) fn find(&self, name: &str) -> Option<FileNumber> {
        self.names.get(name).copied()
    }

    pub(crate) fn next_number(&self) -> FileNumber {
        self.contents.keys().next_back().map_or(1, |last| last + 1)
    }

    pub(crate) fn length(&self, file: FileNumber) -> u64 {
        self.contents.get(&file).map_or(0, |content| content.length)
    }

    /// The bytes of all files that have a name.
    pub(crate) fn used(&self) -> u64 {
        let files: BTreeSet<_> = self.names.values().collect();
        files.into_iter().map(|file| self.length(*file)).sum()
    }

    pub(crate) fn read(&self, file: FileNumber, buffer: &mut [u8], offset: u64) -> usize {
        let content = &self.contents[&file];
        let rest = content.length.saturating_sub(offset);
        let count = buffer.len().min(usize::try_from(rest).unwrap());
        let mut done = 0;
        while done < count {
            let at = offset as usize + done;
            let within = at % PAGE_BYTES;
            let part = &mut buffer[done..count.min(done + PAGE_BYTES - within)];
            match content.pages.get(&((at / PAGE_BYTES) as u32)) {
                Some(page) => part.copy_from_slice(&page[within..within + part.len()]),
                None => part.fill(0),
            }
            done += part.len();
        }
        count
    }

    /// The pages that a write of `bytes` at `offset` touches, as they are after it, and the length of
    /// the file then.
    pub(crate) fn write(
        &self,
        file: FileNumber,
        bytes: &[u8],
        offset: u64,
    ) -> (Vec<(u32, Page)>, u64) {
        let content = &self.contents[&file];
        let mut pages: BTreeMap<u32, [u8; PAGE_BYTES]> = BTreeMap::new();
        let mut at = offset as usize;
        let mut rest = bytes;
        while !rest.is_empty() {
            let number = (at / PAGE_BYTES) as u32;
            let page = pages
                .entry(number)
                .or_insert_with(|| content.pages.get(&number).map_or([0; PAGE_BYTES], |old| **old));
            let within = at % PAGE_BYTES;
            let count = rest.len().min(PAGE_BYTES - within);
            page[within..within + count].copy_from_slice(&rest[..count]);
            rest = &rest[count..];
            at += count;
        }
        let pages = pages.into_iter().map(|(number, page)| (number, Arc::new(page))).collect();
        (pages, content.length.max(at as u64))
    }

    /// Lets `operation` happen.
    pub(crate) fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Create { name, file } => {
                self.contents.insert(*file, Content::default());
                self.change(NameChange::Create { name: name.clone(), file: *file });
            }
            Operation::Remove { name } => self.change(NameChange::Remove { name: name.clone() }),
            Operation::Rename { from, to } => {
                let file = self.names[from];
                self.change(NameChange::Rename { from: from.clone(), to: to.clone(), file });
            }
            Operation::SyncDirectory => {
                self.durable_names = self.names.clone();
                self.changes.clear();
            }
            Operation::Write { file, pages, length, synced } => {
                let content = self.contents.get_mut(file).expect("the file was created");
                content.write(pages, *length, *synced);
            }
            Operation::Sync { file } => {
                self.contents.get_mut(file).expect("the file was created").sync();
            }
            Operation::FailedSync { file } => {
                let content = self.contents.get_mut(file).expect("the file was created");
                content.dirty.values_mut().for_each(|dirty| dirty.given_up = true);
            }
        }
    }

    /// Lets `operation` begin: it is under way, and nothing of it is certain.
    pub(crate) fn begin(&mut self, operation: &Operation) {
        match operation {
            Operation::Write { file, pages, length, .. } => {
                let (file, pages, length) = (*file, pages.clone(), *length);
                self.apply(&Operation::Write { file, pages, length, synced: false });
            }
            Operation::Create { .. } | Operation::Remove { .. } | Operation::Rename { .. } => {
                self.apply(operation);
            }
            Operation::SyncDirectory | Operation::Sync { .. } | Operation::FailedSync { .. } => {}
        }
    }

    fn change(&mut self, change: NameChange) {
        apply_change(&mut self.names, &change);
        self.changes.push(change);
    }

    /// What a loss of power decides, but for files that only ever had a name for which `ignored` is
    /// true.
    pub(crate) fn undecided(&self, ignored: impl Fn(&str) -> bool) -> Vec<Undecided> {
        let mut files: BTreeSet<FileNumber> = BTreeSet::new();
        let names = self.names.iter().chain(&self.durable_names);
        files.extend(names.filter(|(name, _)| !ignored(name)).map(|(_, file)| *file));
        for change in &self.changes {
            match change {
                NameChange::Create { name, file } | NameChange::Rename { to: name, file, .. }
                    if !ignored(name) =>
                {
                    files.insert(*file);
                }
                _ => {}
            }
        }
        let mut undecided = Vec::new();
        for file in files {
            for (page, dirty) in &self.contents[&file].dirty {
                let versions = dirty.versions.len();
                undecided.push(Undecided::Page { file, page: *page, versions });
            }
        }
        let relevant = |change: &NameChange| match change {
            NameChange::Create { name, .. } | NameChange::Remove { name } => !ignored(name),
            NameChange::Rename { .. } => true,
        };
        let changes = self.changes.iter().enumerate().filter(|(_, change)| relevant(change));
        undecided.extend(changes.map(|(change, _)| Undecided::Name { change }));
        undecided
    }

    /// The disk after a loss of power: of each undecided thing `choose` says which version is there (of
    /// a page one of 1..=versions, of a name 1), or 0 if it never became durable.
    pub(crate) fn lose_power(&self, choose: &mut dyn FnMut(Undecided) -> usize) -> Self {
        let mut contents = BTreeMap::new();
        for (file, content) in &self.contents {
            let mut pages = content.durable.clone();
            let mut length = content.durable_length;
            for (page, dirty) in &content.dirty {
                let versions = dirty.versions.len();
                let chosen = choose(Undecided::Page { file: *file, page: *page, versions });
                if chosen > 0 {
                    pages.insert(*page, dirty.versions[chosen - 1].clone());
                    let end = (u64::from(*page) + 1) * PAGE_BYTES as u64;
                    length = length.max(end.min(content.length));
                }
            }
            let (durable_length, durable) = (length, pages.clone());
            let dirty = BTreeMap::new();
            contents.insert(*file, Content { length, pages, durable_length, durable, dirty });
        }
        let mut names = self.durable_names.clone();
        for (number, change) in self.changes.iter().enumerate() {
            if choose(Undecided::Name { change: number }) > 0 {
                apply_change(&mut names, change);
            }
        }
        Self { contents, durable_names: names.clone(), names, changes: Vec::new() }
    }

    /// Changes a byte of a file, durably: damage.
    pub(crate) fn damage(&mut self, name: &str, byte: u64, change: impl Fn(u8) -> u8) {
        let content = self.contents.get_mut(&self.names[name]).expect("the file was created");
        let number = (byte as usize / PAGE_BYTES) as u32;
        let mut page = content.pages.get(&number).map_or([0; PAGE_BYTES], |page| **page);
        let place = &mut page[byte as usize % PAGE_BYTES];
        *place = change(*place);
        let page = Arc::new(page);
        content.pages.insert(number, page.clone());
        content.durable.insert(number, page);
    }

    /// Tells disks apart that hold different pages under different names. Pages are told apart by
    /// their place in memory, so only disks of one history may be compared.
    pub(crate) fn fingerprint(&self, ignored: impl Fn(&str) -> bool) -> Vec<usize> {
        let mut print = Vec::new();
        for (name, file) in self.names.iter().filter(|(name, _)| !ignored(name)) {
            let content = &self.contents[file];
            print.extend(name.bytes().map(usize::from));
            print.extend([usize::MAX, usize::try_from(content.length).unwrap()]);
            for (number, page) in &content.pages {
                print.extend([*number as usize, Arc::as_ptr(page).addr()]);
            }
        }
        print
    }
}

impl Content {
    fn write(&mut self, pages: &[(u32, Page)], length: u64, synced: bool) {
        self.length = length;
        for (number, page) in pages {
            self.pages.insert(*number, page.clone());
            if synced {
                self.dirty.remove(number);
                self.durable.insert(*number, page.clone());
                let end = (u64::from(*number) + 1) * PAGE_BYTES as u64;
                self.durable_length = self.durable_length.max(end.min(length));
            } else {
                let dirty = self.dirty.entry(*number).or_default();
                dirty.versions.push(page.clone());
                dirty.given_up = false;
            }
        }
    }

    fn sync(&mut self) {
        let written: Vec<u32> =
            self.dirty.iter().filter(|(_, dirty)| !dirty.given_up).map(|(page, _)| *page).collect();
        for number in written {
            self.dirty.remove(&number);
            self.durable.insert(number, self.pages[&number].clone());
        }
        if self.dirty.is_empty() {
            self.durable_length = self.length;
        }
    }
}

fn apply_change(names: &mut BTreeMap<String, FileNumber>, change: &NameChange) {
    match change {
        NameChange::Create { name, file } => {
            names.insert(name.clone(), *file);
        }
        NameChange::Remove { name } => {
            names.remove(name);
        }
        NameChange::Rename { from, to, file } => {
            if names.get(from) == Some(file) {
                names.remove(from);
            }
            names.insert(to.clone(), *file);
        }
    }
}
