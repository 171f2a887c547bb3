//! `cairn-bench`: see `cairn-bench --help` and the crate's documentation.

use anyhow::Result;
use cairn_bench::cli::{Arguments, Verb};
use cairn_bench::{floor, measure, plan, prune, report, runner, scrape, sql};
use clap::Parser;

fn main() -> Result<()> {
    match Arguments::parse().verb {
        Verb::Quick(options) => runner::run(&plan::quick(&options)?),
        Verb::Run(options) => runner::run(&plan::full(&options)?),
        Verb::Scale(options) => runner::run(&plan::scale(&options)?),
        Verb::Sql(options) => sql::run(&options),
        Verb::Report(options) if sql::is_run(&options.results)? => sql::print(&options.results),
        Verb::Report(options) => report::print(&options.results),
        Verb::Floor(options) => floor::run(&options),
        Verb::Prune(options) => prune::run(&options),
        Verb::Scrape(options) => scrape::run(&options),
        Verb::Measure(options) => measure::answer(&options.command, &options.log, &options.report),
    }
}
