//! What a walk tells of a body, in the body's order: to the one that writes it again, and to the one that only checks it.

use domain::body_shape::PlaceId;

use super::effect::Grants;
use super::fault::Fault;

/// Who takes what is found at the places of a shape. Nothing that the shape doesn't know gets here.
pub(super) trait Outlet {
    /// An object or a list begins.
    fn open(&mut self, place: PlaceId) -> Result<(), Fault>;
    /// It ends.
    fn close(&mut self);
    /// `null` where an object or a list could be.
    fn null(&mut self, place: PlaceId) -> Result<(), Fault>;
    /// A whole value begins; its bytes follow.
    fn value(&mut self, place: PlaceId) -> Result<(), Fault>;
    /// A member begins that passes with all others of its object; the inside of its name, as it was written.
    fn other(&mut self, name: &[u8]);
    /// Bytes of the value.
    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Fault>;
    /// The value is at its end.
    fn value_end(&mut self) -> Result<(), Fault>;
    /// What follows is about a subject of her own, with her permit.
    fn subject(&mut self, place: PlaceId, grants: &impl Grants);
    /// What is about her is at its end.
    fn subject_end(&mut self);
    /// An object about a subject was left out.
    fn left_out(&mut self, place: PlaceId) -> Result<(), Fault>;
    /// A member that the shape doesn't know, in the object at a place.
    fn unknown(&mut self, within: PlaceId) -> Result<(), Fault>;
    /// A value of another kind than the shape says.
    fn misshapen(&mut self, place: PlaceId) -> Result<(), Fault>;
}
