//! The future that feeds a handler: takes what comes next, and decides what that means.

use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::pin::pin;

use annals_core::{
    Envelope, Error, ErrorKind, Offset, Page, Result, Retry, Scope, Store, WriterId,
};
use futures_util::FutureExt;
use futures_util::future::{Either, select};
use tokio::sync::{mpsc, watch};

use super::Share;
use super::board::Board;
use super::handle::{Command, ProjectionPhase, ProjectionStatus};
use super::keeper::Keeper;
use super::lot::{Lot, lies_ahead};
use super::measures::Measures;
use super::settings::{Components, ProjectionSettings};
use super::work::Work;
use supply::Supply;

mod acting;
mod calls;
mod commands;
mod supply;

type Sleeping = std::pin::Pin<Box<dyn Future<Output = ()> + Send + 'static>>;

/// What a projection is to do.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) name: String,
    /// The name of its offset: the projection's, and of several instances the slices.
    pub(crate) key: String,
    pub(crate) scope: Scope,
    pub(crate) share: Share,
    pub(crate) writer: WriterId,
    /// Whether the offset is in the store, and not with the handler.
    pub(crate) keeps_offsets: bool,
    pub(crate) settings: ProjectionSettings,
}

/// A projection that is to be run.
pub struct ProjectionRunner {
    plan: Plan,
    keeper: Keeper,
    work: Box<dyn Work>,
    /// `None` once there is no handle any more.
    commands: Option<mpsc::Receiver<Command>>,
    status: watch::Sender<ProjectionStatus>,
    measures: Measures,
}

/// How often a runner that has saved nothing yet starts again after a conflict.
const TAKEOVERS_MAX: u32 = 3;

impl ProjectionRunner {
    pub(crate) fn new(
        plan: Plan,
        store: Store,
        components: Components,
        work: Box<dyn Work>,
        commands: mpsc::Receiver<Command>,
        status: watch::Sender<ProjectionStatus>,
    ) -> Self {
        let measures = Measures::new(&plan.key, &components.clock);
        let keeper = Keeper::new(store, components, plan.settings.store_retry);
        Self { plan, keeper, work, commands: Some(commands), status, measures }
    }

    pub(crate) fn key(&self) -> &str {
        &self.plan.key
    }

    /// Runs until it is stopped, or fails for good. The application spawns it (on tokio), or awaits
    /// it; dropping it is like a crash: what was not saved is handled again.
    ///
    /// # Errors
    /// `Conflict` when another instance of the same range moved the offset (P3); `Unavailable` when
    /// the handler or the store kept failing; `Invalid` for an offset of another store, or when the
    /// projection ran with another number of instances; `Internal` when the handler panicked; and what
    /// the store reports. In each case the offset stands before what was not handled.
    pub async fn run(self) -> Result<()> {
        let (key, status) = (self.plan.key.clone(), self.status.clone());
        let ended = AssertUnwindSafe(self.run_to_the_end()).catch_unwind().await;
        let ended = ended.unwrap_or_else(|_| {
            Err(Error::internal("its handler panicked; the offset stands before that event"))
        });
        let ended = ended.map_err(|error| error.context(format_args!("projection {key}")));
        status.send_modify(|status| match &ended {
            Ok(()) => status.phase = ProjectionPhase::Stopped,
            Err(error) => {
                status.phase = ProjectionPhase::Failed;
                status.error = Some(error.to_string());
            }
        });
        ended
    }

    /// A predecessor that was dropped may have left one write on its way, which arrives after this
    /// runner has read where it stands: until the first save, a conflict means to read that again.
    async fn run_to_the_end(mut self) -> Result<()> {
        let mut takeovers = 0;
        loop {
            let ended = async { self.start().await?.run().await }.await;
            match ended {
                Err(error)
                    if error.is_conflict()
                        && !self.keeper.has_saved()
                        && takeovers < TAKEOVERS_MAX =>
                {
                    takeovers += 1;
                }
                ended => return ended,
            }
        }
    }

    async fn start(&mut self) -> Result<Run<'_>> {
        if self.plan.keeps_offsets {
            check_instances(&self.plan, &self.keeper).await?;
        }
        let reached = self.work.load(&mut self.keeper, &self.plan.key).await?;
        let lot = Lot::load(&self.keeper, &self.plan.key, self.plan.writer.clone()).await?;
        self.work.start(&mut self.keeper).await?;
        let Self { plan, keeper, work, commands, status, measures } = self;
        let work = &mut **work;
        let supply = Supply::new(keeper, &plan.scope, reached.clone());
        let mut run = Run {
            plan,
            keeper,
            work,
            commands,
            board: Board::new(status, measures),
            measures,
            lot,
            supply,
            page: None,
            index: 0,
            looked_at: reached.clone(),
            group: Vec::new(),
            group_end: None,
            singly: false,
            ripe: false,
            group_due: None,
            reached: reached.clone(),
            unsaved: 0,
            save_due: None,
            paused: false,
            retry: None,
            read_retry: None,
            back_off: None,
        };
        run.settle_parked().await?;
        run.drop_ahead().await?;
        let parked = run.lot.len();
        run.board.change(|status| {
            status.phase = ProjectionPhase::Running;
            status.parked = parked;
            status.reached.clone_from(&reached);
            status.saved = reached;
        });
        Ok(run)
    }
}

/// A projection on its way.
struct Run<'a> {
    plan: &'a Plan,
    keeper: &'a mut Keeper,
    work: &'a mut dyn Work,
    commands: &'a mut Option<mpsc::Receiver<Command>>,
    board: Board<'a>,
    measures: &'a Measures,
    lot: Lot,
    supply: Supply,
    /// The page in hand, from `index` on.
    page: Option<Page>,
    index: usize,
    /// The last event that was taken from a page.
    looked_at: Option<Offset>,
    /// What is to be handled next, and the offset behind it.
    group: Vec<Envelope>,
    group_end: Option<Offset>,
    /// Whether the group failed, so that its events are handled one by one.
    singly: bool,
    /// Whether the group waits for no more events.
    ripe: bool,
    group_due: Option<Sleeping>,
    /// Up to where everything was handled, skipped, parked or passed over.
    reached: Option<Offset>,
    /// How many events that are since the last save.
    unsaved: usize,
    save_due: Option<Sleeping>,
    paused: bool,
    /// The retries of the event in hand.
    retry: Option<Retry>,
    /// The retries of reading.
    read_retry: Option<Retry>,
    back_off: Option<Sleeping>,
}

/// What comes next.
enum Input {
    Command(Command),
    SaveDue,
    BackOffOver,
    GroupDue,
    Page(Option<Result<Page>>),
    Ready,
}

impl Run<'_> {
    async fn run(mut self) -> Result<()> {
        loop {
            self.fill().await?;
            match self.next_input().await {
                Input::Command(command) => {
                    if self.obey(command).await?.is_break() {
                        return self.save().await;
                    }
                }
                Input::SaveDue => self.save().await?,
                Input::BackOffOver => {
                    self.back_off = None;
                    self.board.show(ProjectionPhase::Running);
                }
                Input::GroupDue => {
                    self.group_due = None;
                    self.ripe = true;
                }
                Input::Page(Some(Ok(page))) => {
                    (self.page, self.index) = (Some(page), 0);
                    self.read_retry = None;
                    self.supply.begin().await;
                    // A handler that never waits must not keep a thread to itself.
                    tokio::task::yield_now().await;
                }
                Input::Page(Some(Err(error))) => self.reading_failed(error)?,
                Input::Page(None) => {
                    return Err(Error::internal("a live stream ended without an error"));
                }
                Input::Ready => self.act().await?,
            }
        }
    }

    fn sleep(&self, duration: std::time::Duration) -> Sleeping {
        self.keeper.components.sleep.sleep(duration)
    }

    async fn next_input(&mut self) -> Input {
        if let Some(Ok(command)) = self.commands.as_mut().map(mpsc::Receiver::try_recv) {
            return Input::Command(command);
        }
        if self.is_ready() {
            return Input::Ready;
        }
        self.board.tell();
        let paused = self.paused;
        let Self { commands, save_due, back_off, group_due, supply, .. } = self;
        let command = pin!(async {
            if let Some(received) = commands {
                if let Some(command) = received.recv().await {
                    return Input::Command(command);
                }
                **commands = None;
            }
            pending().await
        });
        let save = pin!(async {
            match save_due {
                Some(due) => due.await,
                None => pending().await,
            }
            Input::SaveDue
        });
        // Each of these keeps its place when another one comes first.
        let work = pin!(async {
            if paused {
                return pending().await;
            }
            if let Some(back_off) = back_off {
                back_off.await;
                return Input::BackOffOver;
            }
            let Some(due) = group_due else { return Input::Page(supply.next().await) };
            match select(pin!(supply.next()), due).await {
                Either::Left((page, _)) => Input::Page(page),
                Either::Right(_) => Input::GroupDue,
            }
        });
        select(command, select(save, work).map(first)).map(first).await
    }

    /// Reads again after a while what could not be read.
    fn reading_failed(&mut self, error: Error) -> Result<()> {
        if error.kind() != ErrorKind::Unavailable {
            return Err(error);
        }
        let retry = self.read_retry.get_or_insert_with(|| self.keeper.start_retry());
        let Some(delay) = retry.next_delay() else { return Err(error) };
        self.back_off(delay, error.to_string());
        self.read_on();
        Ok(())
    }

    fn back_off(&mut self, delay: std::time::Duration, error: String) {
        self.back_off = Some(self.sleep(delay));
        self.board.change(|status| {
            status.phase = ProjectionPhase::BackingOff;
            status.error = Some(error);
        });
    }

    /// Reads behind what was looked at.
    fn read_on(&mut self) {
        self.supply = Supply::new(self.keeper, &self.plan.scope, self.looked_at.clone());
    }

    /// Takes out of the lot what was handled when the projection ended.
    async fn settle_parked(&mut self) -> Result<()> {
        for id in self.lot.ids() {
            let Some(key) = self.lot.progress_key(&id) else { continue };
            let Some(progress) = self.work.load(self.keeper, &key).await? else { continue };
            if self.lot.settle(&id, &progress) {
                self.lot.done(self.keeper, &id).await?;
            }
        }
        Ok(())
    }

    /// Takes out of the lot what will be met again.
    async fn drop_ahead(&mut self) -> Result<()> {
        for id in self.lot.ids() {
            while let Some(last) = self.lot.last(&id).cloned() {
                let ahead = match &self.reached {
                    Some(reached) => lies_ahead(self.keeper, &last, reached).await?,
                    None => true,
                };
                if !ahead {
                    break;
                }
                self.lot.drop_event(self.keeper, &id, last.seq_nr).await?;
            }
        }
        Ok(())
    }
}

fn first<A, B, T>(either: Either<(T, A), (T, B)>) -> T {
    match either {
        Either::Left((first, _)) | Either::Right((first, _)) => first,
    }
}

/// Refuses slices that another number of instances shares out.
async fn check_instances(plan: &Plan, keeper: &Keeper) -> Result<()> {
    let Plan { name, key, share: Share { slices, .. }, .. } = plan;
    for other in keeper.store.offsets.list_offsets().await? {
        let other = other.name;
        let overlaps = match other.strip_prefix(name.as_str()) {
            Some("") => true,
            Some(range) => range
                .strip_prefix('@')
                .and_then(|range| range.split_once('-'))
                .and_then(|(min, max)| Some((min.parse().ok()?, max.parse().ok()?)))
                .is_some_and(|(min, max): (u16, u16)| {
                    min <= slices.max().get() && slices.min().get() <= max
                }),
            None => false,
        };
        if overlaps && other != *key {
            return Err(Error::invalid(format!(
                "it ran with other instances before, whose offset is {other}: run it with as many, or \
                 under another name"
            )));
        }
    }
    Ok(())
}
