//! Keys are in the memory of this process: no core dump may write them to a disk, and no other process of the same account may look.
//!
//! Swap is the machine's: SECURITY.md says what to set. Locking pages needs unsafe code, or locks everything.

/// Forbids core dumps and looks from outside, for this process and its children; says what could not be forbidden.
#[cfg(target_os = "linux")]
pub(crate) fn keep_private() -> Result<(), String> {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none)
        .map_err(|error| format!("core dumps could not be forbidden: {error}"))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|error| format!("other processes may look into this one's memory: {error}"))
}

/// Elsewhere nothing is known how.
#[cfg(not(target_os = "linux"))]
pub(crate) fn keep_private() -> Result<(), String> {
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use rustix::process::{DumpableBehavior, dumpable_behavior};

    #[test]
    fn no_core_is_dumped_and_nobody_looks_in() {
        super::keep_private().unwrap();
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let core = limits
            .lines()
            .find(|line| line.starts_with("Max core file size"));
        // The file itself can't be read any more where only its owner may look.
        if let Some(core) = core {
            assert_eq!(
                core.split_whitespace().filter(|word| *word == "0").count(),
                2,
                "{core}"
            );
        }
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }
}
