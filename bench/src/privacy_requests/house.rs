//! Privity as a business runs it: settings and data map from YAML, our own state in SQLite, mail over SMTP.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, anyhow, ensure};
use domain::id::{OperatorId, RequestId};
use domain::privacy_request::{IntakeChannel, RequestKind, RequestState};
use domain::sensitive::Sensitive;
use futures_util::{StreamExt as _, stream};
use governance::privacy_request::intake::{self, Intake, Received};
use governance::privacy_request::{access, console};
use governance::view::RequestDetail;
use governance::{Privity, Problem, operator, worker};
use tokio::io::AsyncReadExt as _;

/// Intakes under way at once, as on a busy web server.
const CALLERS: usize = 64;
/// Packages that are opened and read to the end after a run.
const PACKAGES_READ: usize = 3;

/// Privity, and the operator who vouches for who the subjects are.
pub(crate) struct House {
    p: Privity,
    operator: OperatorId,
    thread: worker::Thread,
}

impl House {
    /// Starts it in `dir`, over the shop at `url`.
    pub(crate) async fn start(dir: &Path, url: &str, mail_port: u16) -> anyhow::Result<Self> {
        std::fs::write(
            dir.join("map.yaml"),
            include_str!("map.yaml").replace("$shop", url),
        )?;
        let base = dir.display();
        let settings = format!(
            "business: {{name: Hearth & Crumb, privacy_contact: privacy@hearth.example}}\nbase_url: https://privacy.hearth.example\nstorage: \"sqlite:{base}/privity.db\"\nkey_file: {base}/privity.key\npackages_dir: {base}/packages\ndata_map: {base}/map.yaml\nmail: {{url: \"smtp://127.0.0.1:{mail_port}\", tls: none, from: \"privacy@hearth.example\"}}\napproval: {{automatic: [delete, know_specific]}}\n"
        );
        let settings = serde_saphyr::from_str(&settings)
            .map_err(|error| anyhow!("the settings can't be read: {error}"))?;
        let p = governance::start(
            settings,
            governance::system_clock(),
            governance::system_rng(),
        )
        .await
        .map_err(failed)?;
        let (operator, _) = operator::add(&p, "Bench").await.map_err(failed)?;
        Ok(Self {
            p,
            operator,
            thread: worker::Thread::start()?,
        })
    }

    /// One privacy request from one subject.
    pub(crate) async fn ask(&self, kind: RequestKind, customer: i64) -> anyhow::Result<Received> {
        let email = Sensitive::new(crate::shop::email(customer));
        let asked = Intake::Identified {
            kind,
            law: None,
            email,
            name: None,
            identifiers: Vec::new(),
            language: "en".to_owned(),
            channel: IntakeChannel::Api,
            since: None,
            verified_by: Some(self.operator),
            address: None,
        };
        intake::receive(&self.p, asked).await.map_err(failed)
    }

    /// One privacy request from each, many of them at once.
    pub(crate) async fn ask_all(
        &self,
        kind: RequestKind,
        customers: &[i64],
    ) -> anyhow::Result<Vec<Received>> {
        let asking = stream::iter(customers)
            .map(|customer| self.ask(kind, *customer))
            .buffered(CALLERS);
        asking.collect::<Vec<_>>().await.into_iter().collect()
    }

    /// Works until nothing is due, on a thread of the worker's own as `privity serve` does.
    pub(crate) async fn work(&self) -> anyhow::Result<()> {
        let p = self.p.clone();
        let work = self
            .thread
            .spawn(async move { worker::run_until_idle(&p).await });
        work.await?.map(drop).map_err(failed)
    }

    /// Fails unless the privacy request is fulfilled, found `rows` rows, and left no residue. Answers when it was closed, in ms since 1970.
    pub(crate) async fn check_fulfilled(&self, id: RequestId, rows: u64) -> anyhow::Result<f64> {
        let detail = console::detail(&self.p, id).await.map_err(failed)?;
        let told = || {
            format!(
                "{:?}, waiting for {:?}, tasks {:?}",
                detail.listed.state, detail.listed.waiting, detail.tasks
            )
        };
        ensure!(
            detail.listed.state == RequestState::Fulfilled,
            "a privacy request is not fulfilled: {}",
            told()
        );
        let found = detail.plan.as_ref().map_or(0, domain::plan::Plan::rows);
        ensure!(
            found == rows,
            "a search found {found} rows instead of {rows}"
        );
        let deleted = detail.listed.kind == RequestKind::Delete;
        ensure!(
            !deleted || detail.residue.as_ref().is_some_and(Vec::is_empty),
            "an erasure was not confirmed without residue"
        );
        closed_at(&detail).context("a fulfilled privacy request has no record of its end")
    }

    /// Opens some of the packages and reads them to the end.
    pub(crate) async fn check_packages(
        &self,
        received: &[(Received, i64)],
        rows: u64,
    ) -> anyhow::Result<()> {
        let step = (received.len() / PACKAGES_READ).max(1);
        for (received, customer) in received.iter().step_by(step) {
            let mut sealed = access::fetch(&self.p, &received.tracker)
                .await
                .map_err(failed)?;
            let mut bytes = Vec::new();
            sealed.file.read_to_end(&mut bytes).await?;
            let data = read_data(bytes)?;
            let collections = data
                .get("collections")
                .and_then(serde_json::Value::as_object)
                .context("data.json has no collections")?;
            let found: usize = collections
                .values()
                .filter_map(|collection| collection.get("rows")?.as_array())
                .map(Vec::len)
                .sum();
            ensure!(
                found as u64 == rows,
                "a package holds {found} rows instead of {rows}"
            );
            ensure!(
                data.to_string()
                    .to_lowercase()
                    .contains(&crate::shop::email(*customer)),
                "a package does not hold the subject's own address"
            );
        }
        Ok(())
    }

    /// The size of one package, in MiB.
    pub(crate) async fn package_mib(&self, received: &Received) -> anyhow::Result<f64> {
        let mut package = access::fetch(&self.p, &received.tracker)
            .await
            .map_err(failed)?;
        let bytes = tokio::io::copy(&mut package.file, &mut tokio::io::sink()).await?;
        Ok(bytes as f64 / 1_048_576.0)
    }
}

fn closed_at(detail: &RequestDetail) -> Option<f64> {
    let closed = detail
        .records
        .iter()
        .rev()
        .find(|record| record.action == domain::audit::Action::RequestClosed.to_string())?;
    Some(closed.at.as_microsecond() as f64 / 1_000.0)
}

fn read_data(package: Vec<u8>) -> anyhow::Result<serde_json::Value> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(package))
        .context("a package is not an archive")?;
    let mut text = String::new();
    archive.by_name("data.json")?.read_to_string(&mut text)?;
    Ok(serde_json::from_str(&text)?)
}

fn failed(problem: Problem) -> anyhow::Error {
    anyhow!("{problem}")
}
