//! Builds the application with Maven, once for each state of its sources.

use std::collections::hash_map::DefaultHasher;
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where Maven writes, beside the classes: the jars that they need.
const CLASSPATH: &str = "classpath";
/// Which sources the classes were made of.
const STAMP: &str = "stamp";

/// The class path of the application as it stands in the sources.
pub(crate) fn class_path() -> Result<String, String> {
    let module = module();
    let target = target();
    let failed = |what: &Path, error| format!("{}: {error}", what.display());
    std::fs::create_dir_all(&target).map_err(|error| failed(&target, error))?;
    // Several test binaries may want it at once; the lock ends with the file.
    let lock_path = target.join("lock");
    let lock = File::create(&lock_path).map_err(|error| failed(&lock_path, error))?;
    lock.lock().map_err(|error| failed(&lock_path, error))?;

    let stamp_path = target.join(STAMP);
    let stamp = stamp(&module).map_err(|error| failed(&module, error))?;
    let jars = target.join(CLASSPATH);
    if std::fs::read_to_string(&stamp_path).ok().as_ref() != Some(&stamp) || !jars.exists() {
        // Without the network when the jars are there, since Maven asks for news otherwise.
        maven(&module, &jars, &["-o"]).or_else(|_| maven(&module, &jars, &[]))?;
        std::fs::write(&stamp_path, stamp).map_err(|error| failed(&stamp_path, error))?;
    }
    let jars = std::fs::read_to_string(&jars).map_err(|error| failed(&jars, error))?;
    Ok(format!("{}:{}", target.join("classes").display(), jars.trim()))
}

/// Where the module's classes and its log are.
pub(crate) fn target() -> PathBuf {
    module().join("target")
}

fn module() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("pekko-app")
}

fn maven(module: &Path, jars: &Path, options: &[&str]) -> Result<(), String> {
    let output = Command::new("mvn")
        .current_dir(module)
        .args(["-q", "-B", "compile", "dependency:build-classpath"])
        .arg(format!("-Dmdep.outputFile={}", jars.display()))
        .args(options)
        .output()
        .map_err(|error| format!("mvn cannot be run (Maven must be installed): {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(format!("mvn failed: {}", String::from_utf8_lossy(&said)))
}

/// A number that changes with the sources and with the place of the classes.
fn stamp(module: &Path) -> std::io::Result<String> {
    let mut files = vec![module.join("pom.xml")];
    let mut directories = vec![module.join("src")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory)? {
            let path = entry?.path();
            if path.is_dir() { &mut directories } else { &mut files }.push(path);
        }
    }
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        std::fs::read(&file)?.hash(&mut hasher);
        file.hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}
