//! Forms with a file: evidence of work by hand, a recipient's proof. Held in memory, wiped afterwards, never on our disk in the clear.

use axum::extract::{FromRequest, Multipart, Request};
use domain::sensitive::Sensitive;
use governance::Problem;

use crate::failure::{self, Failure};
use crate::fields::Fields;

/// The largest file, in bytes.
const LARGEST_FILE: usize = 10 << 20;
/// The largest body with a file in it: the file, and the fields beside it.
pub(crate) const LARGEST_BODY: usize = LARGEST_FILE + (64 << 10);

/// A file as it came: its name, its media type, its bytes.
pub(crate) type File = (String, String, Sensitive<Vec<u8>>);

/// A form with at most one file.
pub(crate) struct Upload {
    /// The fields.
    pub(crate) fields: Fields,
    /// The file, if one was chosen.
    pub(crate) file: Option<File>,
}

impl<S: Send + Sync> FromRequest<S> for Upload {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let multipart = Multipart::from_request(request, state).await;
        let parts = multipart.map_err(|_| {
            Failure(Problem::new(
                "wrong_content_type",
                415,
                "this form is read as multipart/form-data; send it as the page does",
            ))
        })?;
        Ok(read(parts).await?)
    }
}

async fn read(mut parts: Multipart) -> Result<Upload, Problem> {
    let mut pairs = Vec::new();
    let mut file = None;
    while let Some(part) = parts
        .next_field()
        .await
        .map_err(|error| failure::refused(error.status()))?
    {
        let name = part.name().unwrap_or_default().to_owned();
        let file_name = part.file_name().map(plain_name);
        let media_type = part
            .content_type()
            .unwrap_or("application/octet-stream")
            .to_owned();
        let bytes = part
            .bytes()
            .await
            .map_err(|error| failure::refused(error.status()))?;
        match file_name {
            Some(_) if bytes.is_empty() => {}
            Some(_) if bytes.len() > LARGEST_FILE => return Err(failure::too_large()),
            Some(file_name) => file = Some((file_name, media_type, Sensitive::new(bytes.to_vec()))),
            None => pairs.push((
                name,
                String::from_utf8(bytes.to_vec())
                    .map_err(|_| failure::refused(axum::http::StatusCode::BAD_REQUEST))?,
            )),
        }
    }
    Ok(Upload {
        fields: Fields::read(pairs)?,
        file,
    })
}

/// A file's name without folders and without characters that a file system or a page could take for something else.
fn plain_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String = last
        .chars()
        .filter(|letter| letter.is_alphanumeric() || matches!(letter, '.' | '-' | '_' | ' '))
        .take(120)
        .collect();
    let plain = plain.trim().trim_start_matches('.').to_owned();
    if plain.is_empty() {
        "file".to_owned()
    } else {
        plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_cannot_leave_its_folder() {
        assert_eq!(plain_name("../../etc/passwd"), "passwd");
        assert_eq!(plain_name("C:\\Temp\\proof.pdf"), "proof.pdf");
        assert_eq!(plain_name(".."), "file");
        assert_eq!(plain_name("a<script>.txt"), "ascript.txt");
    }
}
