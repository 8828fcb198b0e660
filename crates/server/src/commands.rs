//! The command line: what a newcomer types first, what an operator types daily, what a script reads.

mod config;
mod consent;
pub mod data_map;
mod demo;
mod doctor;
mod evidence;
mod gateway;
mod identity;
mod key;
pub mod law;
mod ledger;
mod operator;
mod policy;
mod policy_views;
mod profile;
mod profile_sync;
mod recipient;
mod request;
mod serve;
mod show;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use governance::{Privity, Problem};

use self::watch::Watch;
use crate::config as settings;
use crate::memory;

/// Answers what people ask about their data: what you know, who has it, stop selling it, forget me. And proves it.
#[derive(Parser)]
#[command(name = "privity", version, about, long_about = LONG_ABOUT, after_long_help = EXIT_CODES, max_term_width = 110)]
pub struct Cli {
    /// The file with the settings; each can also come from the environment (`business.name` is PRIVITY_BUSINESS_NAME).
    #[arg(
        long,
        global = true,
        env = "PRIVITY_CONFIG",
        value_name = "FILE",
        default_value = "privity.yaml"
    )]
    config: PathBuf,
    /// What goes to the log on standard error: error, warn, info, debug, or by module.
    #[arg(
        long,
        global = true,
        env = "PRIVITY_LOG",
        value_name = "LEVEL",
        hide_default_value = true
    )]
    log: Option<String>,
    #[command(subcommand)]
    command: Command,
}

const LONG_ABOUT: &str = "\
Answers what people ask about their data: what you know, who has it, stop selling it, forget me. And proves it.

See it work, with a small bakery shop and 10,000 invented customers:
  privity demo

Set it up for your own business:
  privity config init                                      write privity.yaml, then fill it in
  privity data-map describe postgres://HOST/SHOP --out data_map/shop.yaml
                                                           draft a data map from a live database
  privity data-map check data_map                          say what the map forgets
  privity doctor                                           say what stands between you and the first privacy request
  privity operator add \"Robin\"                             make a key for the Console
  privity serve                                            pages, API and work

By hand:
  privity law due --law ccpa --right delete --received 2026-11-02
  privity request list --overdue
  privity evidence verify evidence.json";

const EXIT_CODES: &str = "\
Exit codes:
  0  done, or what was checked holds
  1  what was checked does not hold, or the step is not possible now
  2  the command line is wrong
  3  something can't be read or reached: settings, database, source system, mail
  4  there is no such thing";

#[derive(Subcommand)]
enum Command {
    /// Serve Privacy Center, Console and API, and work off the tasks.
    Serve(serve::Serve),
    /// Show the whole story with a small business and one customer of it.
    Demo(demo::Demo),
    /// Write and check the settings.
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Say what stands between this installation and its work, and what to do.
    Doctor(doctor::Doctor),
    /// Say where personal data lives and who gets it.
    #[command(subcommand)]
    DataMap(data_map::DataMapCommand),
    /// Keep everything that is known about a subject in one place, sealed.
    #[command(subcommand)]
    Profile(profile::ProfileCommand),
    /// Check purposes and notices, and export what people chose.
    #[command(subcommand)]
    Consent(consent::ConsentCommand),
    /// Say who may have which attribute for what, and why; publish and test policies.
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Take in, look at and decide privacy requests.
    #[command(subcommand)]
    Request(request::RequestCommand),
    /// Say which records are one subject's.
    #[command(subcommand)]
    Identity(identity::IdentityCommand),
    /// Export and verify what proves that each step was done.
    #[command(subcommand)]
    Evidence(evidence::EvidenceCommand),
    /// Look at the routes of the gateway before your own APIs, and propose them.
    #[command(subcommand)]
    Gateway(gateway::GatewayCommand),
    /// Ask the law data: dates, rights, citations.
    #[command(subcommand)]
    Law(law::LawCommand),
    /// Add the people who work in the Console.
    #[command(subcommand)]
    Operator(operator::OperatorCommand),
    /// Let recipients ask for the data that policies allow them.
    #[command(subcommand)]
    Recipient(recipient::RecipientCommand),
    /// Say who has what of whom.
    #[command(subcommand)]
    Ledger(ledger::LedgerCommand),
    /// Change the keys that everything is sealed under, without stopping.
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Print completions for a shell: `privity completions bash > /etc/bash_completion.d/privity`
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// Reads the command line, runs the command, and says how it ended.
pub async fn run() -> ExitCode {
    let cli = Cli::parse();
    start_log(&cli);
    if let Err(words) = memory::keep_private() {
        tracing::warn!("{words}");
    }
    match cli.run().await {
        Ok(code) => code,
        Err(error) => {
            show::failure(&error);
            code_of(&error)
        }
    }
}

impl Cli {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.config;
        match self.command {
            Command::Serve(command) => command.run(&config).await,
            Command::Demo(command) => command.run().await,
            Command::Config(command) => command.run(&config),
            Command::Doctor(command) => command.run(&config).await,
            Command::DataMap(command) => command.run().await,
            Command::Profile(command) => command.run(&config).await,
            Command::Consent(command) => command.run(&config).await,
            Command::Policy(command) => command.run(&config).await,
            Command::Request(command) => command.run(&config).await,
            Command::Identity(command) => command.run(&config).await,
            Command::Evidence(command) => command.run(&config).await,
            Command::Gateway(command) => command.run(&config).await,
            Command::Law(command) => command.run().map(|()| ExitCode::SUCCESS),
            Command::Operator(command) => command.run(&config).await,
            Command::Recipient(command) => command.run(&config).await,
            Command::Ledger(command) => command.run(&config).await,
            Command::Key(command) => command.run(&config).await,
            Command::Completions { shell } => {
                clap_complete::generate(
                    shell,
                    &mut Self::command(),
                    "privity",
                    &mut std::io::stdout(),
                );
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

/// Logs go to standard error, so that answers on standard output can be piped.
fn start_log(cli: &Cli) {
    let default = if matches!(cli.command, Command::Serve(_)) {
        "info"
    } else {
        "warn"
    };
    let filter = tracing_subscriber::EnvFilter::try_new(cli.log.as_deref().unwrap_or(default))
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if let Command::Serve(serve) = &cli.command
        && serve.log_json
    {
        log.json().init();
    } else {
        log.with_target(false).init();
    }
}

/// The exit code for a failure, as `--help` lists them.
fn code_of(error: &anyhow::Error) -> ExitCode {
    if error.downcast_ref::<settings::ConfigError>().is_some() {
        return ExitCode::from(3);
    }
    match error
        .downcast_ref::<Problem>()
        .map(|problem| problem.status)
    {
        Some(404) => ExitCode::from(4),
        Some(500..) => ExitCode::from(3),
        Some(_) => ExitCode::from(1),
        None => ExitCode::from(3),
    }
}

/// Opens the installation that the settings describe; `watch` shows how far this and its later work is.
async fn open(config: &std::path::Path, watch: &Watch) -> anyhow::Result<Privity> {
    let settings = settings::load(config)?;
    let started = governance::start_watched(
        settings,
        governance::system_clock(),
        governance::system_rng(),
        watch.progress(),
    );
    Ok(watch.over("opening the database", started).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_shows_examples_and_exit_codes() {
        let help = Cli::command().render_long_help().to_string();
        for words in [
            "privity demo",
            "privity config init",
            "Exit codes:",
            "there is no such thing",
        ] {
            assert!(help.contains(words), "{words}");
        }
    }

    #[test]
    fn exit_codes_tell_what_is_missing_from_what_is_wrong() {
        let code = |problem: Problem| format!("{:?}", code_of(&anyhow::Error::new(problem)));
        assert_eq!(
            code(Problem::not_found("x")),
            format!("{:?}", ExitCode::from(4))
        );
        assert_eq!(
            code(Problem::new("setup", 500, "x")),
            format!("{:?}", ExitCode::from(3))
        );
        assert_eq!(
            code(Problem::new("not_possible_now", 409, "x")),
            format!("{:?}", ExitCode::from(1))
        );
    }
}
