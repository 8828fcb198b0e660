//! Access: the package is made as the rows stream in, lies sealed until it is fetched, and is removed when its link ends.
//!
//! Law: Cal. Civ. Code 1798.100, .110, .130(a)(2); 11 CCR 7024.

use std::io::{self, Read};
use std::path::PathBuf;

use domain::audit::{Action, Actor, NewRecord};
use domain::data_map::FieldName;
use domain::disclosure::{Attribute, AttributeName, DisclosureRecipient, OwnColumn, Purpose};
use domain::plan::Plan;
use domain::privacy_request::RequestKind;
use domain::sensitive::Sensitive;
use domain::task::{Task, TaskKind};
use enforcement::vault::{OpeningReader, Place};
use jiff::SignedDuration;
use storage::privacy_request::StoredPrivacyRequest;
use tokio::io::AsyncWriteExt;

use crate::claim::{Batch, Worker, end_step};
use crate::deciding::own;
use crate::disclosure::{Opened, Wanted, open};
use crate::privacy_request::categories::categories;
use crate::privacy_request::package::{self, Cover, PackageError};
use crate::privacy_request::{close, verify};
use crate::work::{Stop, Work, later};
use crate::{Privity, Problem, letter};

/// What a permit must name to open a package.
const CONTENT: OwnColumn = OwnColumn {
    table: "access_package",
    column: "content",
};

impl From<PackageError> for Stop {
    fn from(error: PackageError) -> Self {
        match error {
            PackageError::Search(search) => search.into(),
            // A full disk is freed by somebody; the task tries again and the operator sees why.
            other => Self::Later(other.to_string()),
        }
    }
}

/// The task: makes access packages.
pub(crate) async fn make(p: &Privity, batch: &[Work], worker: &Worker) -> Result<Vec<Batch>, Stop> {
    let mut going_on = Vec::new();
    for work in batch {
        let (path, size) = write_file(p, work).await?;
        let expires_at = later(
            p.now(),
            SignedDuration::from_hours(24 * i64::from(p.settings().package.link_days)),
        );
        let tag = domain::audit::Hash::of(work.id().to_string().as_bytes())
            .0
            .to_vec();
        let package = storage::privacy_request::Package {
            path: path.display().to_string(),
            tag,
            expires_at,
            size,
        };
        let (task, owner, id, q) = (work.task.clone(), worker.name(), work.id(), p.clone());
        let ended = end_step(p, worker, "package made", &[TaskKind::Close], move |tx| {
            storage::task::finish(tx, &[task.id], &owner)?;
            storage::privacy_request::save_package(tx, id, Some(&package), q.now())?;
            storage::task::insert_again(
                tx,
                &[Task {
                    run_at: expires_at,
                    ..q.task(TaskKind::RemovePackage, id, "")
                }],
                q.now(),
            )?;
            close::when_ready(&q, tx, &[id].into())?;
            let made = NewRecord::new(q.now(), Actor::System, Action::PackageMade)
                .for_request(id)
                .with("bytes", size)
                .with("link_ends", expires_at.to_string());
            Ok(vec![made])
        });
        going_on.extend(ended.await?);
    }
    Ok(going_on)
}

/// Writes the file beside its name and renames it when it is whole, so that a crash never leaves half a package.
async fn write_file(p: &Privity, work: &Work) -> Result<(PathBuf, u64), Stop> {
    let path = p
        .settings()
        .packages_dir
        .join(format!("{}.package", work.id()));
    let part = path.with_extension("part");
    let file = std::fs::File::create(&part).map_err(PackageError::from)?;
    let key = work.key(p)?;
    let row = work.id().to_string();
    let counting = Counting {
        inner: io::BufWriter::new(file),
        bytes: 0,
    };
    let sealing = key
        .seal_stream(
            p.rng(),
            &Place {
                column: CONTENT,
                row: &row,
            },
            counting,
        )
        .map_err(PackageError::from)?;
    let plan = work.stored.plan.clone().unwrap_or_else(|| Plan {
        held: std::collections::BTreeSet::new(),
        made_at: p.now(),
        collections: Vec::new(),
        manual: Vec::new(),
        disclosed: Vec::new(),
    });
    let (cover, categories) = (cover(p, work), categories(p, &plan));
    let written = if shows_rows(&work.stored) {
        let located = work.located(p)?;
        package::write(
            p,
            work.permit_to(Purpose::GiveAccess)?,
            &plan,
            &located,
            &cover,
            &categories,
            sealing,
        )
        .await?
    } else {
        package::write_categories(&cover, &categories, sealing)?
    };
    let counting = written.finish().map_err(PackageError::from)?;
    let size = counting.bytes;
    let file = counting
        .inner
        .into_inner()
        .map_err(|error| PackageError::from(error.into_error()))?;
    file.sync_all().map_err(PackageError::from)?;
    std::fs::rename(&part, &path).map_err(PackageError::from)?;
    Ok((path, size))
}

/// She asked for the pieces themselves, and there are some.
fn shows_rows(stored: &StoredPrivacyRequest) -> bool {
    let found = stored.plan.as_ref().is_some_and(|plan| plan.rows() > 0);
    stored.request.kind == RequestKind::KnowSpecific && found
}

/// Every field of the collections in which something was found: the decision says which may leave.
pub(crate) fn wanted(p: &Privity, stored: &StoredPrivacyRequest) -> Option<Wanted<'static>> {
    let plan = stored.plan.as_ref().filter(|_| shows_rows(stored))?;
    let found =
        package::packed(plan).filter_map(|planned| p.map().collections.get(&planned.collection));
    let field = |name: FieldName, category: Option<String>, key| Attribute {
        name: AttributeName::Field(key, name),
        category,
        identifier: None,
    };
    let attributes = found.flat_map(|collection| {
        collection.fields.iter().map(move |item| {
            field(
                item.name.clone(),
                item.category.clone(),
                collection.key.clone(),
            )
        })
    });
    Some(Wanted {
        recipient: DisclosureRecipient::Subject,
        known: None,
        purpose: Purpose::GiveAccess,
        attributes: attributes.collect(),
    })
}

fn cover(p: &Privity, work: &Work) -> Cover {
    let business = &p.settings().business;
    let today = p.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    Cover {
        business: business.name.clone(),
        request: work.id().to_string(),
        law: work.stored.request.law.clone(),
        made_on: letter::long(today),
        contact: business.privacy_contact.clone(),
        since: work.stored.look_back,
    }
}

/// A package on its way out.
pub struct Package {
    /// Its content.
    pub file: tokio::io::DuplexStream,
    /// About how many bytes, for people.
    pub size: u64,
    /// The name under which a browser saves it.
    pub name: String,
}

/// Opens the package for whoever holds the tracker's secret, as a recorded disclosure to the subject.
pub async fn fetch(p: &Privity, tracker: &Sensitive<String>) -> Result<Package, Problem> {
    let stored = verify::by_tracker(p, tracker).await?;
    let Some(package) = stored.package.clone() else {
        return Err(Problem::new(
            "package_not_ready",
            404,
            "your package is not ready yet, or its time is over; the page of your request says which",
        ));
    };
    if package.expires_at <= p.now() {
        return Err(Problem::new(
            "package_expired",
            410,
            "the link to your package has ended; ask again, it costs nothing",
        ));
    }
    let wanted = Wanted {
        recipient: DisclosureRecipient::Subject,
        known: None,
        purpose: Purpose::GiveAccess,
        attributes: vec![own(CONTENT, "user", None)],
    };
    let Opened { permit, key } = open(p, &stored, &wanted, Actor::Subject).await?;
    let file = std::fs::File::open(&package.path)
        .map_err(|error| Problem::internal("opening the package", &error))?;
    let row = stored.request.id.to_string();
    let reader = key
        .open_stream(
            &permit,
            &Place {
                column: CONTENT,
                row: &row,
            },
            io::BufReader::new(file),
        )
        .map_err(|error| Problem::internal("opening the package", &error))?;
    p.append(vec![
        NewRecord::new(p.now(), Actor::Subject, Action::PackageFetched)
            .for_request(stored.request.id),
    ])
    .await?;
    Ok(Package {
        file: pour(reader),
        size: package.size,
        name: format!("{}.zip", stored.request.id),
    })
}

/// Opens as fast as the other side reads, and never more than a piece ahead.
fn pour(mut reader: OpeningReader<io::BufReader<std::fs::File>>) -> tokio::io::DuplexStream {
    let (mut writer, file) = tokio::io::duplex(128 * 1024);
    tokio::spawn(async move {
        let mut piece = zeroize::Zeroizing::new(vec![0u8; 64 * 1024]);
        loop {
            match reader.read(&mut piece) {
                Ok(0) => return,
                Ok(length) => {
                    if writer
                        .write_all(piece.get(..length).unwrap_or_default())
                        .await
                        .is_err()
                    {
                        return;
                    }
                }
                Err(error) => {
                    tracing::error!(cause = %error, "a package can't be opened to its end");
                    return;
                }
            }
        }
    });
    file
}

/// The task: removes packages whose link has ended.
pub(crate) async fn remove(p: &Privity, batch: &[Work], worker: &Worker) -> Result<(), Stop> {
    for work in batch {
        if let Some(package) = &work.stored.package {
            match std::fs::remove_file(&package.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Stop::Later(format!(
                        "an access package can't be removed: {error}"
                    )));
                }
                _ => {}
            }
        }
        let (task, owner, id, now) = (work.task.clone(), worker.name(), work.id(), p.now());
        p.write("package removed", move |tx| {
            storage::task::finish(tx, &[task.id], &owner)?;
            storage::privacy_request::save_package(tx, id, None, now)?;
            Ok((
                (),
                vec![NewRecord::new(now, Actor::System, Action::PackageExpired).for_request(id)],
            ))
        })
        .await?;
    }
    Ok(())
}

/// Counts what passes.
struct Counting<W> {
    inner: W,
    bytes: u64,
}

impl<W: io::Write> io::Write for Counting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
