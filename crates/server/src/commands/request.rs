//! `privity request`: what the Console does, for scripts and for people who like a terminal.

use std::io::BufRead as _;
use std::path::Path;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use domain::data_map::IdentifierKind;
use domain::id::{OperatorId, RequestId, TaskId};
use domain::privacy_request::{IntakeChannel, RequestKind, RequestState};
use domain::progress::Progress;
use domain::sensitive::Sensitive;
use governance::privacy_request::console::{self, Filter};
use governance::privacy_request::intake::{self, Intake};
use governance::privacy_request::plan;
use governance::view::{ListedRequest, RequestDetail};
use governance::{Privity, Problem, operator, worker};
use jiff::civil::Date;
use serde_json::json;

use super::watch::Watch;
use super::{open, show};
use crate::secret;

/// Take in, look at and decide privacy requests.
#[derive(Subcommand)]
pub(super) enum RequestCommand {
    /// Take one in, for instance from a letter or a call.
    ///
    /// Example: echo maria@example.com | privity request receive --kind delete --email -
    Receive(Receive),
    /// List them, newest first.
    List(List),
    /// Show one: state, clock, plan, tasks, outreach.
    Show(One),
    /// Show what was found and what happens to it, before anything is touched.
    Plan(One),
    /// Approve the plan. An erasure can't be undone.
    Approve(Decide),
    /// Deny it, with a reason that the law knows and the facts.
    Deny(Deny),
    /// Take more time, once, within what the law allows.
    Extend(Extend),
    /// Try a stuck task again.
    Retry {
        /// The task, `tsk_…`, as `request show` lists it.
        task: TaskId,
        #[command(flatten)]
        key: Key,
    },
    /// Work off everything that is due now, without a server.
    Work {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Who decides. Every decision stands in the audit log with a name.
#[derive(Args)]
pub(super) struct Key {
    /// Your key, as `privity operator add` printed it. Better in the environment than on the command line, where others can see it.
    #[arg(
        long,
        env = "PRIVITY_OPERATOR_KEY",
        hide_env_values = true,
        value_name = "KEY"
    )]
    key: Option<String>,
}

/// Which right, as it is typed.
#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// Which categories of data, sources, purposes and recipients.
    #[value(name = "know_categories", alias = "know-categories")]
    KnowCategories,
    /// A copy of the data itself.
    #[value(name = "know_specific", alias = "know-specific", alias = "know")]
    KnowSpecific,
    /// Forget me.
    Delete,
    /// Stop selling and sharing.
    #[value(name = "opt_out_sale_share", alias = "opt-out", alias = "opt_out")]
    OptOutSaleShare,
}

/// Arguments of `privity request receive`.
#[derive(Args)]
pub(super) struct Receive {
    /// The right.
    #[arg(long)]
    kind: Kind,
    /// Her e-mail address; `-` reads it from standard input, where the list of processes doesn't show it.
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// Her name.
    #[arg(long)]
    name: Option<String>,
    /// Another identifier that the data map knows, e.g. customer_number=1204. May come several times.
    #[arg(long, value_name = "KIND=VALUE")]
    identifier: Vec<String>,
    /// The law; the business's default otherwise.
    #[arg(long)]
    law: Option<String>,
    /// For a request to know: the day from which she wants to know, like 2024-05-31; everything otherwise.
    #[arg(long, value_name = "DAY")]
    since: Option<Date>,
    /// You have verified who she is by the business's own means: no code is mailed. Needs your key.
    #[arg(long)]
    verified: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    key: Key,
}

/// Arguments of `privity request list`.
#[derive(Args)]
pub(super) struct List {
    /// Only those in this state, e.g. verified.
    #[arg(long, value_parser = |text: &str| RequestState::parse(text).ok_or("one of received, verified, in_progress, fulfilled, partly_fulfilled, denied, withdrawn, expired"))]
    state: Option<RequestState>,
    /// Only those that are not closed.
    #[arg(long)]
    open: bool,
    /// Only open ones past their date.
    #[arg(long)]
    overdue: bool,
    /// Only open ones due within 7 days; with --overdue, late ones too.
    #[arg(long)]
    due_soon: bool,
    /// Only those that wait for approval.
    #[arg(long)]
    to_approve: bool,
    /// Only those with a stuck task or work by hand.
    #[arg(long)]
    need_operator: bool,
    /// Go on after this one.
    #[arg(long, value_name = "ID")]
    after: Option<RequestId>,
    /// At most this many.
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments that name one privacy request.
#[derive(Args)]
pub(super) struct One {
    /// The privacy request, `req_…`.
    request: RequestId,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of a decision.
#[derive(Args)]
pub(super) struct Decide {
    /// The privacy request, `req_…`.
    request: RequestId,
    #[command(flatten)]
    key: Key,
}

/// Arguments of `privity request deny`.
#[derive(Args)]
pub(super) struct Deny {
    #[command(flatten)]
    decide: Decide,
    /// A denial reason of the law data, e.g. unverified_identity.
    #[arg(long)]
    reason: String,
    /// The facts, in words that the subject will read.
    #[arg(long)]
    explanation: String,
}

/// Arguments of `privity request extend`.
#[derive(Args)]
pub(super) struct Extend {
    #[command(flatten)]
    decide: Decide,
    /// Why, in words that the subject will read.
    #[arg(long)]
    reason: String,
}

impl RequestCommand {
    pub(super) async fn run(self, config: &Path) -> anyhow::Result<ExitCode> {
        let watch = Watch::new(self.is_for_program());
        let privity = open(config, &watch).await?;
        match self {
            Self::Receive(receive) => receive.run(&privity).await?,
            Self::List(list) => list.run(&privity).await?,
            Self::Show(one) => one.show(&privity).await?,
            Self::Plan(one) => one.plan(&privity).await?,
            Self::Approve(decide) => decide.approve(&privity).await?,
            Self::Deny(deny) => deny.run(&privity).await?,
            Self::Extend(extend) => extend.run(&privity).await?,
            Self::Retry { task, key } => {
                console::retry_task(&privity, task, key.operator(&privity).await?).await?;
                show::aside(
                    "It is tried again; `privity request work` or a running server does it.",
                );
            }
            Self::Work { json } => work(&privity, &watch, json).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl RequestCommand {
    const fn is_for_program(&self) -> bool {
        match self {
            Self::Receive(receive) => receive.json,
            Self::List(list) => list.json,
            Self::Show(one) | Self::Plan(one) => one.json,
            Self::Work { json } => *json,
            Self::Approve(_) | Self::Deny(_) | Self::Extend(_) | Self::Retry { .. } => false,
        }
    }
}

impl Key {
    /// The operator whose key it is.
    pub(super) async fn operator(self, privity: &Privity) -> Result<OperatorId, Problem> {
        let Some(key) = self.key else {
            return Err(Problem::new(
                "key_missing",
                401,
                "say who decides: put your key into PRIVITY_OPERATOR_KEY; `privity operator add NAME` makes one",
            ));
        };
        let found = operator::by_key(privity, &Sensitive::new(key)).await?;
        found.map(|operator| operator.id).ok_or_else(|| {
            Problem::new(
                "key_wrong",
                401,
                "this key opens nothing here; make one with `privity operator add NAME`",
            )
        })
    }
}

impl Receive {
    async fn run(self, privity: &Privity) -> anyhow::Result<()> {
        let as_json = self.json;
        let received = intake::receive(privity, self.intake(privity).await?).await?;
        let tracker = format!(
            "{}{}",
            privity.settings().base_url,
            secret::tracker_path(&received.tracker)
        );
        if as_json {
            return show::json(
                &json!({"id": received.id, "tracker_url": tracker, "clock": received.clock}),
            );
        }
        show::text(&received.id.to_string())?;
        let due = received
            .clock
            .due()
            .map(|due| format!(" It must be answered by {due}."))
            .unwrap_or_default();
        show::aside(&format!(
            "Taken in.{due} Her own page (give it to nobody else): {tracker}"
        ));
        Ok(())
    }

    async fn intake(self, privity: &Privity) -> anyhow::Result<Intake> {
        let language = privity.settings().business.language.clone();
        let identifiers = self
            .identifier
            .iter()
            .map(|pair| identifier(pair))
            .collect::<Result<Vec<_>, Problem>>()?;
        let email = self.email.map(read_email).transpose()?;
        let kind = self.kind.right();
        let channel = IntakeChannel::CommandLine;
        if kind == RequestKind::OptOutSaleShare {
            if self.verified || self.name.is_some() {
                return Err(Problem::new(
                    "identity_not_asked",
                    400,
                    "an opt-out needs no proof of who somebody is: leave out --name and --verified",
                )
                .into());
            }
            let email = email.map(|email| (IdentifierKind::email(), email));
            return Ok(Intake::OptOut {
                law: self.law,
                locate: email.into_iter().chain(identifiers).collect(),
                language,
                channel,
                address: None,
            });
        }
        let email = email.ok_or_else(|| {
            Problem::invalid("email", "give --email, the address that the answer goes to")
        })?;
        let verified_by = if self.verified {
            Some(self.key.operator(privity).await?)
        } else {
            None
        };
        Ok(Intake::Identified {
            kind,
            law: self.law,
            email,
            name: self.name.map(Sensitive::new),
            identifiers,
            language,
            channel,
            since: self.since,
            verified_by,
            address: None,
        })
    }
}

fn read_email(given: String) -> Result<Sensitive<String>, Problem> {
    if given != "-" {
        return Ok(Sensitive::new(given));
    }
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    read.map_err(|_| {
        Problem::invalid(
            "email",
            "standard input can't be read; pipe the address into it",
        )
    })?;
    Ok(Sensitive::new(line.trim().to_owned()))
}

fn identifier(pair: &str) -> Result<(IdentifierKind, Sensitive<String>), Problem> {
    let split = pair.split_once('=').ok_or_else(|| {
        Problem::invalid(
            "identifiers",
            "write --identifier KIND=VALUE, e.g. customer_number=1204",
        )
    })?;
    Ok((
        IdentifierKind(split.0.to_owned()),
        Sensitive::new(split.1.to_owned()),
    ))
}

impl Kind {
    const fn right(self) -> RequestKind {
        match self {
            Self::KnowCategories => RequestKind::KnowCategories,
            Self::KnowSpecific => RequestKind::KnowSpecific,
            Self::Delete => RequestKind::Delete,
            Self::OptOutSaleShare => RequestKind::OptOutSaleShare,
        }
    }
}

impl List {
    async fn run(self, privity: &Privity) -> anyhow::Result<()> {
        let filter = Filter {
            state: self.state,
            open_only: self.open,
            overdue: self.overdue,
            need_operator: self.need_operator,
            due_soon: self.due_soon,
            to_approve: self.to_approve,
            after: self.after,
            limit: self.limit.clamp(1, 1_000),
        };
        let found = console::list(privity, filter).await?;
        if self.json {
            return show::json(&found);
        }
        show::table(
            &[
                "privacy request",
                "kind",
                "state",
                "waits for",
                "due",
                "days left",
            ],
            found.iter().map(row).collect(),
            "There are none.",
        )
    }
}

fn row(request: &ListedRequest) -> Vec<String> {
    vec![
        request.id.to_string(),
        request.kind.as_str().to_owned(),
        request.state.as_str().to_owned(),
        request
            .waiting
            .map_or("", |waiting| waiting.as_str())
            .to_owned(),
        request.due.map(|due| due.to_string()).unwrap_or_default(),
        request
            .days_left
            .map(|days| days.to_string())
            .unwrap_or_default(),
    ]
}

impl One {
    async fn show(self, privity: &Privity) -> anyhow::Result<()> {
        let detail = console::detail(privity, self.request).await?;
        if self.json {
            return show::json(&detail);
        }
        let listed = &detail.listed;
        show::text(&format!(
            "{}  {}  {}\n",
            listed.kind.as_str(),
            listed.state.as_str(),
            waiting(&detail)
        ))?;
        show::text(&format!(
            "received {}  due {}  {}\n",
            listed.received_on,
            listed
                .due
                .map_or_else(|| "-".to_owned(), |due| due.to_string()),
            detail.citations.join("; ")
        ))?;
        plan_table(&detail)?;
        show::table(
            &["task", "what", "target", "state", "why"],
            detail.tasks.iter().map(task_row).collect(),
            "No tasks.",
        )?;
        show::table(
            &["recipient", "level", "needed", "answer", "settled"],
            detail.outreach.iter().map(outreach_row).collect(),
            "No outreach.",
        )
    }

    async fn plan(self, privity: &Privity) -> anyhow::Result<()> {
        let detail = console::detail(privity, self.request).await?;
        if self.json {
            return show::json(&detail.plan);
        }
        plan_table(&detail)
    }
}

fn waiting(detail: &RequestDetail) -> String {
    detail
        .listed
        .waiting
        .map(|waiting| format!("waits for {}", waiting.as_str()))
        .unwrap_or_default()
}

fn plan_table(detail: &RequestDetail) -> anyhow::Result<()> {
    let Some(plan) = &detail.plan else {
        return show::text(
            "There is no plan yet; it is made once she is verified and the work has begun (`privity request work`, or a running server).",
        );
    };
    let rows = plan
        .collections
        .iter()
        .filter(|collection| collection.rows > 0)
        .map(|collection| {
            let kept: Vec<String> = collection
                .kept
                .iter()
                .map(|kept| {
                    format!(
                        "{}: {} ({})",
                        kept.rows, kept.reason.explanation, kept.reason.code
                    )
                })
                .collect();
            vec![
                collection.collection.to_string(),
                collection.rows.to_string(),
                collection.delete.to_string(),
                collection.redact.to_string(),
                kept.join("\n"),
            ]
        });
    show::table(
        &[
            "collection",
            "rows",
            "goes",
            "overwritten",
            "stays, and why",
        ],
        rows.collect(),
        "Nothing was found.",
    )
}

fn task_row(task: &governance::view::TaskLine) -> Vec<String> {
    vec![
        task.id.to_string(),
        task.kind.as_str().to_owned(),
        task.target.clone(),
        task.state.as_str().to_owned(),
        task.error.clone().unwrap_or_default(),
    ]
}

fn outreach_row(line: &governance::view::OutreachLine) -> Vec<String> {
    let answer = line.answer.as_ref().map_or("", |answer| answer.as_str());
    vec![
        line.title.clone(),
        line.level.as_str().to_owned(),
        line.required_level.as_str().to_owned(),
        answer.to_owned(),
        if line.settled { "yes" } else { "no" }.to_owned(),
    ]
}

impl Decide {
    async fn approve(self, privity: &Privity) -> anyhow::Result<()> {
        plan::approve(privity, self.request, self.key.operator(privity).await?).await?;
        show::aside("Approved. `privity request work` or a running server does the rest.");
        Ok(())
    }
}

impl Deny {
    async fn run(self, privity: &Privity) -> anyhow::Result<()> {
        let operator = self.decide.key.operator(privity).await?;
        plan::deny(
            privity,
            self.decide.request,
            operator,
            &self.reason,
            self.explanation,
        )
        .await?;
        show::aside("Denied. The subject is told, with the reason.");
        Ok(())
    }
}

impl Extend {
    async fn run(self, privity: &Privity) -> anyhow::Result<()> {
        let operator = self.decide.key.operator(privity).await?;
        let clock = plan::extend(privity, self.decide.request, operator, self.reason).await?;
        let until = clock.due().map(|due| due.to_string()).unwrap_or_default();
        show::aside(&format!(
            "Extended to {until}. The subject is told, with the reason."
        ));
        Ok(())
    }
}

/// Works until nothing is due; what becomes due on the way is counted when it does.
async fn run_due(privity: &Privity, progress: &Progress) -> Result<u64, Problem> {
    let mut ran = 0;
    loop {
        let due = console::tasks_due(privity).await?;
        progress.tell("tasks", ran, ran + due);
        match worker::run_next(privity).await? {
            Some((_, more)) => ran += more,
            None => return Ok(ran),
        }
    }
}

async fn work(privity: &Privity, watch: &Watch, as_json: bool) -> anyhow::Result<()> {
    let ran = watch
        .over("working", run_due(privity, watch.progress()))
        .await?;
    let overview = console::overview(privity).await?;
    if as_json {
        return show::json(&json!({"tasks_run": ran, "overview": overview}));
    }
    show::text(&format!(
        "{ran} tasks run. Open: {}, to approve: {}, need an operator: {}.",
        overview.open, overview.to_approve, overview.need_operator
    ))
}
