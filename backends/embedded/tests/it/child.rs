//! Other processes: a test starts its own binary again, which runs the same test as the child.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

/// Says to a test that it is the child, and where the store is.
const DIRECTORY_VARIABLE: &str = "ANNALS_CHILD_DIRECTORY";

/// What the lines begin with that a child tells its parent; the test harness writes others.
const MARK: &str = "child: ";

/// Where the store is, if this process is the child of a test.
pub(crate) fn directory() -> Option<PathBuf> {
    std::env::var_os(DIRECTORY_VARIABLE).map(PathBuf::from)
}

/// Tells the parent a line.
pub(crate) fn tell(line: &str) {
    println!("{MARK}{line}");
}

/// The command that runs `test`, named as the harness names it, as a child with the store in
/// `directory`. `limits` are shell commands that come first.
pub(crate) fn command(test: &str, directory: &Path, limits: &str) -> Command {
    let program = std::env::current_exe().expect("the test's own binary");
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{limits}exec \"$0\" \"$@\"")).arg(program);
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]);
    command.env(DIRECTORY_VARIABLE, directory).stdout(Stdio::piped());
    command
}

/// What a child tells, gathered while it runs. A line that was cut by its death counts as not told.
pub(crate) fn listen(child: &mut Child) -> JoinHandle<Vec<String>> {
    let output = child.stdout.take().expect("the child's output is piped");
    std::thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut told = Vec::new();
        let mut line = String::new();
        while matches!(output.read_line(&mut line), Ok(count) if count > 0) {
            if let Some((_, text)) = line.split_once(MARK)
                && let Some(text) = text.strip_suffix('\n')
            {
                told.push(text.to_owned());
            }
            line.clear();
        }
        told
    })
}
