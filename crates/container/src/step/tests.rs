use super::*;

const SEC: i64 = 1_000_000_000;

fn exit(code: i32, at: i64) -> Input {
    Input::Exited(ExitInfo { code, oom_killed: false, at })
}

/// Runs the inputs and returns the final state with the commands of the last one.
fn run(policy: RestartPolicy, auto_remove: bool, inputs: Vec<Input>) -> (State, Vec<Command>) {
    inputs.into_iter().fold((State::default(), vec![]), |(state, _), input| {
        step(&state, policy, auto_remove, input.clone()).unwrap_or_else(|e| panic!("{input:?}: {e}"))
    })
}

fn up() -> Vec<Input> {
    vec![Input::Start, Input::Started { pid: 7, at: SEC }]
}

fn with(mut inputs: Vec<Input>, more: impl IntoIterator<Item = Input>) -> Vec<Input> {
    inputs.extend(more);
    inputs
}

#[test]
fn a_run_ends_in_exited_with_its_code() {
    let (state, commands) = run(RestartPolicy::No, false, with(up(), [exit(3, 2 * SEC)]));
    assert_eq!((state.phase, state.exit_code, state.pid, state.finished_at), (Phase::Exited, 3, 0, 2 * SEC));
    let want = [Command::Persist, Command::Emit("die"), Command::NotifyExit, Command::ReleaseRun];
    assert_eq!(commands, want);
}

#[test]
fn auto_remove_follows_the_exit() {
    let (_, commands) = run(RestartPolicy::No, true, with(up(), [exit(0, 2 * SEC)]));
    assert_eq!(commands.last(), Some(&Command::AutoRemove));
}

#[test]
fn a_failed_first_start_leaves_it_created_and_a_later_one_exited() {
    let failed = Input::StartFailed { code: 127, error: "x".to_owned(), at: 9 };
    let (state, _) = run(RestartPolicy::Always, false, vec![Input::Start, failed.clone()]);
    assert_eq!((state.phase, state.exit_code, state.error.as_str()), (Phase::Created, 127, "x"));
    let (state, _) = run(RestartPolicy::No, false, with(up(), [exit(0, 2 * SEC), Input::Start, failed]));
    assert_eq!(state.phase, Phase::Exited);
}

#[test]
fn restart_delays_double_up_to_a_minute_and_reset_after_ten_seconds() {
    let mut state = run(RestartPolicy::Always, false, up()).0;
    let mut delays = vec![];
    for _ in 0..12 {
        let (down, commands) = step(&state, RestartPolicy::Always, false, exit(1, state.started_at + 1)).expect("exit");
        let Some(Command::ScheduleRestart { delay_ms }) = commands.last() else { panic!("no restart") };
        delays.push(*delay_ms);
        let (starting, _) = step(&down, RestartPolicy::Always, false, Input::BackoffOver).expect("over");
        state = step(&starting, RestartPolicy::Always, false, Input::Started { pid: 8, at: 5 }).expect("started").0;
    }
    assert_eq!(delays, [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000, 60_000]);
    assert_eq!(state.restart_count, 12);
    let (_, commands) = step(&state, RestartPolicy::Always, false, exit(1, state.started_at + 10 * SEC)).expect("exit");
    assert_eq!(commands.last(), Some(&Command::ScheduleRestart { delay_ms: 100 }));
}

#[test]
fn on_failure_counts_and_ignores_success() {
    let policy = RestartPolicy::OnFailure { max_retries: 1 };
    assert_eq!(run(policy, false, with(up(), [exit(0, 2)])).0.phase, Phase::Exited);
    let once = with(up(), [exit(1, 2), Input::BackoffOver, Input::Started { pid: 9, at: 3 }]);
    assert_eq!(run(policy, false, once.clone()).0.restart_count, 1);
    assert_eq!(run(policy, false, with(once, [exit(1, 4)])).0.phase, Phase::Exited);
}

#[test]
fn a_stop_by_the_user_ends_restarting() {
    for policy in [RestartPolicy::Always, RestartPolicy::UnlessStopped] {
        let (state, _) = run(policy, false, with(up(), [Input::StopRequested, exit(143, 2)]));
        assert_eq!(state.phase, Phase::Exited);
        let (state, commands) = run(policy, false, with(up(), [exit(1, 2), Input::StopRequested]));
        assert_eq!(state.phase, Phase::Exited);
        assert_eq!(commands[0], Command::CancelRestart);
        assert!(step(&state, policy, false, Input::BackoffOver).expect("stale").1.is_empty());
    }
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let running = run(RestartPolicy::No, false, up()).0;
    let cases = [
        (Input::Start, Refused::AlreadyRunning),
        (Input::Unpause, Refused::NotPaused),
        (Input::Remove { force: false }, Refused::RemoveAlive { status: "running" }),
    ];
    for (input, want) in cases {
        assert_eq!(step(&running, RestartPolicy::No, false, input), Err(want));
    }
    let created = State::default();
    assert_eq!(step(&created, RestartPolicy::No, false, Input::Pause), Err(Refused::NotRunning));
    let paused = step(&running, RestartPolicy::No, false, Input::Paused).expect("paused").0;
    assert_eq!(step(&paused, RestartPolicy::No, false, Input::Start), Err(Refused::StartPaused));
    assert_eq!(step(&paused, RestartPolicy::No, false, Input::Pause), Err(Refused::AlreadyPaused));
}

#[test]
fn forced_removal_works_from_every_phase_and_a_late_exit_does_no_harm() {
    let running = run(RestartPolicy::Always, true, up()).0;
    let (removing, commands) =
        step(&running, RestartPolicy::Always, true, Input::Remove { force: true }).expect("removes");
    assert_eq!(commands, [Command::Persist, Command::Delete]);
    let (after, commands) = step(&removing, RestartPolicy::Always, true, exit(137, 3)).expect("late exit");
    assert_eq!(after.phase, Phase::Removing);
    assert!(!commands.contains(&Command::AutoRemove));
    assert_eq!(step(&removing, RestartPolicy::No, false, Input::Remove { force: true }), Err(Refused::AlreadyRemoving));
}

#[test]
fn policies_are_read_in_dockers_words() {
    let parse = |name: &str, n: i64| {
        RestartPolicy::parse(&spec::RestartPolicy { name: name.to_owned(), maximum_retry_count: n })
            .map_err(|e| e.to_string())
    };
    assert_eq!(parse("", 0), Ok(RestartPolicy::No));
    assert_eq!(parse("on-failure", 3), Ok(RestartPolicy::OnFailure { max_retries: 3 }));
    assert!(parse("always", 1).unwrap_err().contains("can only be used with 'on-failure'"));
    assert!(parse("on-failure", -1).unwrap_err().contains("cannot be negative"));
    assert!(parse("sometimes", 0).unwrap_err().contains("unknown policy 'sometimes'"));
}
