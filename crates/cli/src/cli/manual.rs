//! `annals completions` and `annals man`: made of the command line itself, so that they never differ
//! from it.

use annals::Error;
use clap::CommandFactory;

use crate::args::{Arguments, Completions, Man};
use crate::output::Output;
use crate::report::Outcome;

pub(crate) fn completions(args: Completions, output: &mut Output) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Arguments::command(), "annals", &mut script);
    Ok(output.bytes(&script)?)
}

pub(crate) fn man(args: Man, output: &mut Output) -> Outcome {
    let Some(dir) = args.dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Arguments::command()).render(&mut page)?;
        return Ok(output.bytes(&page)?);
    };
    let written = std::fs::create_dir_all(&dir)
        .and_then(|()| clap_mangen::generate_to(Arguments::command(), &dir));
    written.map_err(|error| {
        let message = format!("the pages cannot be written to {}", dir.display());
        Error::unavailable(message).with_source(error).into()
    })
}
