use error::{ErrorKind, HasKind};

use crate::{ExitInfo, Phase, RestartPolicy, State};

/// What happens to a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The user wants it started.
    Start,
    /// Its init lives.
    Started {
        /// PID of the init.
        pid: i32,
        /// Nanoseconds since the epoch.
        at: i64,
    },
    /// The start did not get as far as a living init.
    StartFailed {
        /// 127 not found, 126 not executable, 128 all else.
        code: i32,
        /// Docker's words.
        error: String,
        /// Nanoseconds since the epoch.
        at: i64,
    },
    /// The init is dead.
    Exited(ExitInfo),
    /// The user wants it down and to stay down (stop, or kill by a deadly signal).
    StopRequested,
    /// The user wants it frozen.
    Pause,
    /// It is frozen.
    Paused,
    /// The user wants it thawed.
    Unpause,
    /// It is thawed.
    Unpaused,
    /// The delay before a restart is over.
    BackoffOver,
    /// The user wants it gone.
    Remove {
        /// Kill it first if it lives.
        force: bool,
    },
    /// Removal did not finish.
    RemoveFailed,
}

/// What the engine must do next, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Set up and launch; answer with `Started` or `StartFailed`.
    Launch,
    /// Write the record durably.
    Persist,
    /// Emit an event of this action.
    Emit(&'static str),
    /// Give back network, shim and cgroup of the last run.
    ReleaseRun,
    /// Freeze; answer with `Paused`.
    Freeze,
    /// Thaw; answer with `Unpaused`.
    Thaw,
    /// Send `BackoffOver` after this many milliseconds.
    ScheduleRestart {
        /// Milliseconds.
        delay_ms: u64,
    },
    /// Forget a scheduled restart.
    CancelRestart,
    /// Tell those who wait for its exit.
    NotifyExit,
    /// Kill what lives, delete everything, tell those who wait for removal.
    Delete,
    /// `--rm`: the engine sends `Remove` to itself.
    AutoRemove,
}

/// An input that does not fit the state, in Docker's words after "…: ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It lives already: start again is no change.
    #[error("container is already running")]
    AlreadyRunning,
    /// A paused container cannot be started.
    #[error("cannot start a paused container, try unpause instead")]
    StartPaused,
    /// On its way out.
    #[error("container is marked for removal and cannot be started")]
    StartRemoving,
    /// Half removed.
    #[error("container is marked for removal and cannot be started")]
    StartDead,
    /// There is nothing to act on.
    #[error("container is not running")]
    NotRunning,
    /// Frozen already.
    #[error("container is already paused")]
    AlreadyPaused,
    /// Between two runs.
    #[error("container is restarting, wait until the container is running")]
    IsRestarting,
    /// Not frozen.
    #[error("container is not paused")]
    NotPaused,
    /// Lives, and removal was not forced.
    #[error("container is {status}: stop the container before removing or force remove")]
    RemoveAlive {
        /// `running`, `paused` or `restarting`.
        status: &'static str,
    },
    /// A removal is under way.
    #[error("removal is already in progress")]
    AlreadyRemoving,
}

impl HasKind for Refused {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::AlreadyRunning => ErrorKind::NotModified,
            _ => ErrorKind::Conflict,
        }
    }
}

/// Takes one input. The state is unchanged when it is refused; a stale report (an exit of a run that is over) gives
/// no commands.
pub fn step(
    state: &State,
    policy: RestartPolicy,
    auto_remove: bool,
    input: Input,
) -> Result<(State, Vec<Command>), Refused> {
    let mut next = state.clone();
    let commands = match input {
        Input::Start => start(&mut next)?,
        Input::Started { pid, at } => started(&mut next, pid, at),
        Input::StartFailed { code, error, at } => start_failed(&mut next, auto_remove, code, error, at),
        Input::Exited(exit) => exited(&mut next, policy, auto_remove, exit),
        Input::StopRequested => stop_requested(&mut next, auto_remove),
        Input::Pause => match next.phase {
            Phase::Running => vec![Command::Freeze],
            Phase::Paused => return Err(Refused::AlreadyPaused),
            Phase::Restarting => return Err(Refused::IsRestarting),
            _ => return Err(Refused::NotRunning),
        },
        Input::Paused => {
            next.phase = Phase::Paused;
            vec![Command::Persist, Command::Emit("pause")]
        }
        Input::Unpause => match next.phase {
            Phase::Paused => vec![Command::Thaw],
            _ => return Err(Refused::NotPaused),
        },
        Input::Unpaused => {
            next.phase = Phase::Running;
            vec![Command::Persist, Command::Emit("unpause")]
        }
        Input::BackoffOver => match next.phase {
            Phase::Restarting => {
                next.restart_count += 1;
                next.phase = Phase::Starting;
                vec![Command::Launch]
            }
            _ => vec![],
        },
        Input::Remove { force } => remove(&mut next, force)?,
        Input::RemoveFailed => {
            next.phase = Phase::Dead;
            vec![Command::Persist]
        }
    };
    Ok((next, commands))
}

fn start(next: &mut State) -> Result<Vec<Command>, Refused> {
    let mut commands = Vec::new();
    match next.phase {
        Phase::Running | Phase::Starting => return Err(Refused::AlreadyRunning),
        Phase::Paused => return Err(Refused::StartPaused),
        Phase::Removing => return Err(Refused::StartRemoving),
        Phase::Dead => return Err(Refused::StartDead),
        Phase::Restarting => commands.push(Command::CancelRestart),
        Phase::Created | Phase::Exited => {}
    }
    next.phase = Phase::Starting;
    next.restart_count = 0;
    next.backoff_ms = 0;
    next.stopped_by_user = false;
    commands.push(Command::Launch);
    Ok(commands)
}

fn started(next: &mut State, pid: i32, at: i64) -> Vec<Command> {
    next.phase = Phase::Running;
    next.pid = pid;
    next.started_at = at;
    next.exit_code = 0;
    next.oom_killed = false;
    next.error.clear();
    vec![Command::Persist, Command::Emit("start")]
}

fn start_failed(next: &mut State, auto_remove: bool, code: i32, error: String, at: i64) -> Vec<Command> {
    // As Docker: a container that never ran stays "created"; one that ran before is "exited".
    next.phase = if next.started_at == 0 { Phase::Created } else { Phase::Exited };
    next.pid = 0;
    next.exit_code = code;
    next.error = error;
    if next.started_at != 0 {
        next.finished_at = at;
    }
    // As Docker: who waits for an exit goes on waiting, for there was none.
    let mut commands = vec![Command::ReleaseRun, Command::Persist];
    if auto_remove {
        commands.push(Command::AutoRemove);
    }
    commands
}

fn exited(next: &mut State, policy: RestartPolicy, auto_remove: bool, exit: ExitInfo) -> Vec<Command> {
    if !matches!(next.phase, Phase::Running | Phase::Paused | Phase::Starting | Phase::Removing) {
        return vec![];
    }
    let delay = match next.phase {
        Phase::Removing => None,
        _ => policy.next_delay_ms(next, exit),
    };
    next.pid = 0;
    next.exit_code = exit.code;
    next.oom_killed = exit.oom_killed;
    next.finished_at = exit.at;
    let mut commands = vec![];
    if next.phase != Phase::Removing {
        next.phase = if delay.is_some() { Phase::Restarting } else { Phase::Exited };
    }
    if let Some(delay_ms) = delay {
        next.backoff_ms = delay_ms;
    }
    commands.extend([Command::Persist, Command::Emit("die"), Command::NotifyExit, Command::ReleaseRun]);
    match delay {
        Some(delay_ms) => commands.push(Command::ScheduleRestart { delay_ms }),
        None if auto_remove && next.phase == Phase::Exited => commands.push(Command::AutoRemove),
        None => {}
    }
    commands
}

fn stop_requested(next: &mut State, auto_remove: bool) -> Vec<Command> {
    next.stopped_by_user = true;
    if next.phase != Phase::Restarting {
        return vec![Command::Persist];
    }
    next.phase = Phase::Exited;
    let mut commands = vec![Command::CancelRestart, Command::Persist, Command::NotifyExit];
    if auto_remove {
        commands.push(Command::AutoRemove);
    }
    commands
}

fn remove(next: &mut State, force: bool) -> Result<Vec<Command>, Refused> {
    match next.phase {
        Phase::Running | Phase::Paused | Phase::Restarting | Phase::Starting if !force => {
            let status = if next.phase == Phase::Starting { "running" } else { next.phase.as_str() };
            Err(Refused::RemoveAlive { status })
        }
        Phase::Removing => Err(Refused::AlreadyRemoving),
        phase => {
            next.phase = Phase::Removing;
            let cancel = (phase == Phase::Restarting).then_some(Command::CancelRestart);
            Ok(cancel.into_iter().chain([Command::Persist, Command::Delete]).collect())
        }
    }
}

#[cfg(test)]
mod tests;
