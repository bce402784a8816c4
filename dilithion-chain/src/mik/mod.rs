//! Identities of miners (MIK): what a coinbase says about who made its block, and whether that is true (spec: consensus
//! §13.2, §13.3, §13.5).
//!
//! Pure functions: no storage, no clock. What an identity did before is the business of [`dfmp`](crate::dfmp) and of the
//! store; which of all this a block has to keep, and from which height on, that of [`validate`](crate::validate).
//!
//! ```
//! use dilithion_chain::mik::Section;
//!
//! let mut script = b"\x01\x07Block 7 mined by nobody".to_vec();
//! assert_eq!(Section::parse(&script), None);
//! script.extend([0xdf, 0x02]);
//! script.extend([0x33; 20]); // an identity
//! script.extend([0x22; 3309]); // a signature
//! assert_eq!(Section::parse(&script).unwrap().identity().to_string(), "33".repeat(20));
//! ```

mod attestation;
mod identity;
mod section;
mod signature;
mod work;

pub use attestation::{Attestation, Attestations, count_valid};
pub use identity::Identity;
pub(crate) use section::{ATTESTATIONS_MARKER, DNA_MARKER, MARKER, REFERENCE, REGISTRATION};
pub use section::{Section, SectionKind};
pub use signature::SignedBlock;
pub use work::{RegistrationWork, leading_zero_bits};
