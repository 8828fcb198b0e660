//! Privity as a business runs it, with a vault and purposes, over either engine.

use std::path::Path;

use anyhow::anyhow;
use domain::id::OperatorId;
use governance::{Privity, Problem, operator};

/// The rest of the settings need not be right, since nobody mails and no source system is asked.
const MAP: &str = include_str!("map.yaml");

/// Starts it in `dir` over the database at `storage`.
pub(crate) async fn start(dir: &Path, storage: &str) -> anyhow::Result<(Privity, OperatorId)> {
    std::fs::write(dir.join("map.yaml"), MAP)?;
    std::fs::write(dir.join("profile.yaml"), include_str!("profile.yaml"))?;
    let consent = dir.join("consent");
    std::fs::create_dir_all(&consent)?;
    std::fs::write(consent.join("purposes.yaml"), include_str!("purposes.yaml"))?;
    let base = dir.display();
    let settings = format!(
        "business: {{name: Hearth & Crumb, privacy_contact: privacy@hearth.example}}\nbase_url: https://privacy.hearth.example\nstorage: \"{storage}\"\nkey_file: {base}/privity.key\npackages_dir: {base}/packages\ndata_map: {base}/map.yaml\nprofile: {base}/profile.yaml\nconsent: {base}/consent\nmail: {{url: \"smtp://127.0.0.1:9\", tls: none, from: \"privacy@hearth.example\"}}\n"
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
    Ok((p, operator))
}

pub(crate) fn failed(problem: Problem) -> anyhow::Error {
    anyhow!("{problem}")
}
