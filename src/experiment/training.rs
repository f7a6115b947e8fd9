//! Training as part of a run, alone or beside its replicates: to the end, with metrics, networks and checkpoints on disk.

use super::grid::Run;
use super::networks;
use super::run::{Context, Observer, RunError, log, signal};
use super::store::{RunDirectory, seed};
use super::training_curve::{self, state};
use crate::train::host::Threads;
use crate::train::{EpochRecord, Replicates, Trainer};
use crate::{InputError, aside};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long training goes on between two checkpoints, however long an epoch is.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);

/// How long a run trains at least before it makes room for others: taking one up again takes a fraction of it.
const TURN: Duration = Duration::from_millis(200);

/// A run's training, at its end.
pub(super) struct Trained {
    /// One an epoch.
    pub records: Vec<EpochRecord>,
    /// How many of them are before pruning.
    unpruned: usize,
    /// What it took, over all attempts; of replicates in one pass, a run's share.
    pub seconds: f64,
}

impl Trained {
    /// What is measured, with the epoch that led there, if one did.
    pub fn end_states(&self) -> impl Iterator<Item = (&'static str, Option<&EpochRecord>)> {
        let unpruned = ("unpruned", self.unpruned.checked_sub(1).and_then(|last| self.records.get(last)));
        let pruned = self.records.last().filter(|record| record.pruning).map(|record| ("pruned", Some(record)));
        std::iter::once(unpruned).chain(pruned)
    }
}

/// A run that is being trained, but for its [`Trainer`].
struct Training<'a> {
    run: &'a Run,
    directory: &'a RunDirectory,
    records: Vec<EpochRecord>,
    /// Epochs after which the network is kept ([`training_curve::on_the_way`]).
    kept: Vec<usize>,
    /// Seconds of earlier attempts.
    earlier: f64,
}

/// Where a run's training stands when it is taken up.
enum Begun<'a> {
    /// Another run was trained alike.
    Adopted(Trained),
    /// Somewhere in the middle, or at either end.
    At(Box<Trainer>, Training<'a>),
}

/// Trains to the end and leaves the networks and metrics on disk; `None` if it was asked to stop before, or made room for another run.
pub(super) fn train(
    run: &Run,
    context: &Context,
    directory: &RunDirectory,
    observer: &impl Observer,
) -> Result<Option<Trained>, RunError> {
    let (trainer, training) = match begin(run, context, directory)? {
        Begun::Adopted(trained) => return Ok(Some(trained)),
        Begun::At(trainer, training) => (*trainer, training),
    };
    let unpruned = trainer.unpruned_epochs();
    let mut training = [training];
    let Some(seconds) = advance(Replicates::new(vec![trainer]), &mut training, context, observer)? else {
        return Ok(None);
    };
    let [Training { records, earlier, .. }] = training;
    Ok(Some(Trained { records, unpruned, seconds: earlier + seconds }))
}

/// Trains those of `runs`, which are of one condition, that are equally far, in one pass; if there are several.
pub(super) fn train_together(
    runs: &[(&Run, &RunDirectory)],
    context: &Context,
    observer: &impl Observer,
) -> Result<(), RunError> {
    let (mut trainers, mut trainings): (Vec<Trainer>, Vec<Training>) = Default::default();
    for (run, directory) in runs {
        let Begun::At(mut trainer, training) = begin(run, context, directory)? else { continue };
        if !Replicates::may_be(&trainer) {
            return Ok(());
        }
        let is_beside = trainers.first().is_none_or(|first| first.steps_done() == trainer.steps_done());
        if is_beside && !trainer.is_finished() {
            if let Some(first) = trainers.first() {
                trainer.share_examples(first);
            }
            trainers.push(*trainer);
            trainings.push(training);
        }
    }
    if trainers.len() > 1 {
        advance(Replicates::new(trainers), &mut trainings, context, observer)?;
    }
    Ok(())
}

fn begin<'a>(run: &'a Run, context: &Context, directory: &'a RunDirectory) -> Result<Begun<'a>, RunError> {
    let settings = run.settings();
    let dataset = context.dataset(settings)?;
    let n_train = settings.n_train.map_or(dataset.train.len(), |n| n.get());
    let fresh = || Trainer::new(settings.train_params(seed(run)), &dataset, n_train, context.device);
    let kept = training_curve::on_the_way(settings);
    let (mut trainer, mut records, mut earlier) = (fresh(), Vec::new(), 0.0);
    if directory.checkpoint().exists() {
        match trainer.load_checkpoint(&directory.checkpoint()) {
            Ok(_) if !networks_are_there(directory, &trainer, &kept) => {
                log(directory, "starting again: a network that was saved is gone")?;
                trainer = fresh();
            }
            Ok(checkpoint) => {
                (records, earlier) = (checkpoint.records, checkpoint.seconds);
                log(
                    directory,
                    &format!("going on after epoch {}, step {}", trainer.epochs_done(), trainer.steps_done()),
                )?;
            }
            Err(error) => {
                log(directory, &format!("starting again: {error}"))?;
                trainer = fresh();
            }
        }
    } else if let Some((records, from)) = networks::adopt(&context.out, run, trainer.total_epochs())? {
        log(directory, &format!("the networks of {from}, which was trained alike"))?;
        return Ok(Begun::Adopted(Trained { records, unpruned: trainer.unpruned_epochs(), seconds: 0.0 }));
    } else {
        log(directory, "starting")?;
    }
    if trainer.unpruned_epochs() == 0 && trainer.steps_done() == 0 {
        trainer.save_network(&directory.network("unpruned"))?;
    }
    if kept.contains(&0) && trainer.steps_done() == 0 {
        trainer.save_network(&directory.network(&state(0)))?;
    }
    Ok(Begun::At(Box::new(trainer), Training { run, directory, records, kept, earlier }))
}

/// Trains to the end: the seconds that it took, of each run its share; `None` if it was asked to stop before, or made
/// room for another run.
fn advance(
    mut replicates: Replicates,
    trainings: &mut [Training],
    context: &Context,
    observer: &impl Observer,
) -> Result<Option<f64>, RunError> {
    let (start, mut saved) = (Instant::now(), Instant::now());
    let runs = trainings.len() as f64;
    let seconds = || start.elapsed().as_secs_f64() / runs;
    for (training, trainer) in trainings.iter().zip(replicates.trainers()) {
        observer.training(training.run, trainer.steps_done(), trainer.total_steps(), trainer.total_epochs());
    }
    let _threads = Threads::take(context.threads_per_run);
    while !replicates.trainers()[0].is_finished() {
        let records = replicates.step();
        let epoch_ended = records.is_some();
        let finished = replicates.trainers()[0].is_finished();
        let stop = context.stop.is_requested() && !finished;
        let save = epoch_ended || stop || saved.elapsed() > CHECKPOINT_EVERY;
        let mut records = records.into_iter().flatten();
        let mut diverged = Ok(());
        for (training, trainer) in trainings.iter_mut().zip(replicates.trainers()) {
            observer.step(training.run, trainer.steps_done());
            if let Some(record) = records.next() {
                observer.epoch(training.run, &record);
                if let Err(error) = training.epoch(record, trainer) {
                    diverged = Err(error);
                    continue;
                }
            }
            if save {
                // after the networks, so that whatever a checkpoint says is done is on disk
                let checkpoint = training.directory.checkpoint();
                trainer.save_checkpoint(&checkpoint, &training.records, training.earlier + seconds())?;
            }
            if stop {
                let line = format!("stopped by signal {} after step {}", signal(context), trainer.steps_done());
                log(training.directory, &line)?;
            }
        }
        diverged?;
        if stop {
            return Ok(None);
        }
        let others_wait = context.others_wait.load(Ordering::Relaxed);
        if let ([training], true) = (&*trainings, others_wait && epoch_ended && !finished && start.elapsed() > TURN) {
            log(training.directory, "making room for a run that waits")?;
            return Ok(None);
        }
        if save {
            saved = Instant::now();
        }
    }
    for training in trainings {
        networks::note(&context.out, training.run)?;
    }
    Ok(Some(seconds()))
}

impl Training<'_> {
    /// An epoch has ended: its record, and at the end of a phase the network, go to disk.
    fn epoch(&mut self, record: EpochRecord, trainer: &Trainer) -> Result<(), RunError> {
        let epoch = record.epoch;
        if !record.loss.is_finite() {
            let problem = format!("training has diverged, the loss is {}", record.loss);
            let remedy = "lower learning_rate, or the weight of a penalty";
            return Err(InputError::new(format!("epoch {epoch}"), problem, remedy).into());
        }
        log(self.directory, &format!("epoch {epoch}: {}", serde_json::to_string(&record).unwrap_or_default()))?;
        self.records.push(record);
        let line = |record| serde_json::to_string(record).unwrap_or_default() + "\n";
        let lines: String = self.records.iter().map(line).collect();
        aside::write(&self.directory.metrics(), lines.as_bytes())?;
        if epoch == trainer.unpruned_epochs() {
            trainer.save_network(&self.directory.network("unpruned"))?;
        } else if trainer.is_finished() {
            trainer.save_network(&self.directory.network("pruned"))?;
        } else if self.kept.contains(&epoch) {
            trainer.save_network(&self.directory.network(&state(epoch)))?;
        }
        Ok(())
    }
}

/// Whether the networks that were saved before this state of training still are.
fn networks_are_there(directory: &RunDirectory, trainer: &Trainer, kept: &[usize]) -> bool {
    let (done, unpruned) = (trainer.epochs_done(), trainer.unpruned_epochs());
    let pruned_is =
        trainer.total_epochs() == unpruned || !trainer.is_finished() || directory.network("pruned").exists();
    let on_the_way =
        kept.iter().filter(|epoch| **epoch <= done).all(|epoch| directory.network(&state(*epoch)).exists());
    (done < unpruned || directory.network("unpruned").exists()) && pruned_is && on_the_way
}
