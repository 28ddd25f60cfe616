//! From arguments to an exit code.

use std::ffi::OsString;
use std::fmt;
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::args::Arguments;
use crate::cli;
use crate::output::Output;
use crate::report::{Failure, Report};
use crate::session::Session;

/// What the program reads and writes.
pub struct Io {
    /// Where input comes from.
    pub stdin: Box<dyn BufRead + Send>,
    /// Where results go, and nothing else.
    pub stdout: Box<dyn Write + Send>,
    /// Where everything else goes.
    pub stderr: Box<dyn Write + Send>,
    /// Whether stderr shows progress bars.
    pub progress: bool,
    /// Tells whether the reader of stdout has gone.
    pub stdout_closed: fn() -> bool,
}

impl Io {
    /// The process's own.
    pub fn of_process() -> Self {
        Self {
            stdin: Box::new(BufReader::with_capacity(64 << 10, std::io::stdin())),
            stdout: Box::new(std::io::stdout()),
            stderr: Box::new(std::io::stderr()),
            progress: std::io::stderr().is_terminal(),
            stdout_closed,
        }
    }
}

impl fmt::Debug for Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Io").field("progress", &self.progress).finish_non_exhaustive()
    }
}

/// Where the store comes from.
#[derive(Debug, Clone)]
pub enum Stores {
    /// From the URL in the arguments or the environment.
    ByUrl,
    /// This one, which stays open: for tests, and for programs that embed the commands.
    Given(annals::Store),
}

/// Runs the program on the process's arguments and streams.
pub fn main() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: internal: the runtime could not be started: {error}");
            return ExitCode::from(1);
        }
    };
    let code = runtime.block_on(run(std::env::args_os(), Io::of_process(), Stores::ByUrl));
    // A task of a store that is closed has nothing left to do.
    runtime.shutdown_background();
    ExitCode::from(code)
}

/// Runs the program on `arguments` (the first one is its name), and gives the exit code.
pub async fn run(arguments: impl IntoIterator<Item = OsString>, mut io: Io, stores: Stores) -> u8 {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            let stream = if error.use_stderr() { &mut io.stderr } else { &mut io.stdout };
            // Nobody is left to be told when this fails.
            let _ = write!(stream, "{error}").and_then(|()| stream.flush());
            return u8::try_from(error.exit_code()).unwrap_or(2);
        }
    };
    let mut output = Output::new(io.stdout, arguments.global.json);
    let mut report = Report::new(io.stderr, io.progress);
    let session = Session::new(arguments.global, stores, io.stdout_closed);
    let mut done = cli::run(arguments.noun, &session, io.stdin, &mut output, &mut report).await;
    if let Err(error) = output.finish()
        && done.is_ok()
    {
        done = Err(Failure::Output(error));
    }
    report.end(done)
}

#[cfg(unix)]
fn stdout_closed() -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let stdout = rustix::stdio::stdout();
    let mut polled = [PollFd::from_borrowed_fd(stdout, PollFlags::empty())];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut polled, Some(&at_once)).is_ok_and(|ready| ready > 0)
}

#[cfg(not(unix))]
fn stdout_closed() -> bool {
    false
}
