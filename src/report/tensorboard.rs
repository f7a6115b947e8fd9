//! Runs as event files, which TensorBoard shows.
//!
//! A file is a row of frames (TFRecord: length, its checksum, bytes, their checksum), each an `Event` of
//! tensorflow/core/util/event.proto, of which these are the fields in use.

use super::record::RunRecord;
use crate::experiment::end_state::EndState;
use crate::{InputError, aside};
use prost::Message;
use std::path::Path;

/// TensorBoard knows its files by the second part. The usual others, time and host, would make it another file each time.
const FILE: &str = "events.out.tfevents.0.ncut";

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

/// The event file of a run: an event an epoch, its step, with what the epoch came to and, at the end states, the n-cut.
/// Every event has the time of the last epoch, so that the bytes depend on the run alone. `None` without epochs or result.
///
/// Values are f32, as the format has it.
pub fn events(record: &RunRecord) -> Option<Vec<u8>> {
    let mut values: Vec<(i64, &str, f64)> = Vec::new();
    for epoch in &record.epochs {
        let figures = [
            ("train/loss", epoch.loss),
            ("train/accuracy", epoch.accuracy),
            ("test/loss", epoch.test_loss),
            ("test/accuracy", epoch.test_accuracy),
            ("sparsity", epoch.sparsity),
        ];
        values.extend(figures.into_iter().filter_map(|(tag, value)| Some((epoch.epoch.into(), tag, value?))));
    }
    if let Some(result) = &record.result {
        // phases may be given in steps: the epochs themselves say where they end
        let last = |pruning| record.epochs.iter().rfind(|epoch| epoch.pruning == pruning).map_or(0, |e| e.epoch.into());
        let unpruned = figures(&result.unpruned, ["unpruned/ncut", "unpruned/null_mean", "unpruned/z_score"]);
        values.extend(unpruned.map(|(tag, value)| (last(false), tag, value)));
        if let Some(pruned) = &result.pruned {
            let pruned = figures(pruned, ["pruned/ncut", "pruned/null_mean", "pruned/z_score"]);
            values.extend(pruned.map(|(tag, value)| (last(true), tag, value)));
        }
    }
    // stable: within a step as above
    values.sort_by_key(|(step, _, _)| *step);
    let event = |step, file_version, summary| Event { wall_time: record.written_s, step, file_version, summary };
    let mut bytes = Vec::new();
    frame(&mut bytes, &event(0, Some("brain.Event:2".into()), None));
    for values in values.chunk_by(|a, b| a.0 == b.0) {
        let value = |(_, tag, x): &(i64, &str, f64)| Value { tag: tag.to_string(), simple_value: Some(*x as f32) };
        let summary = Summary { value: values.iter().map(value).collect() };
        frame(&mut bytes, &event(values[0].0, None, Some(summary)));
    }
    (!values.is_empty()).then_some(bytes)
}

fn figures<'a>(end: &EndState, tags: [&'a str; 3]) -> impl Iterator<Item = (&'a str, f64)> {
    let m = &end.measurement;
    let values = [Some(m.ncut), m.null.as_ref().map(|null| null.mean), m.z_score];
    tags.into_iter().zip(values).filter_map(|(tag, value)| Some((tag, value?)))
}

fn frame(bytes: &mut Vec<u8>, event: &Event) {
    let data = event.encode_to_vec();
    let length = (data.len() as u64).to_le_bytes();
    bytes.extend(length);
    bytes.extend(masked(crc32c::crc32c(&length)).to_le_bytes());
    bytes.extend(&data);
    bytes.extend(masked(crc32c::crc32c(&data)).to_le_bytes());
}

/// A checksum of data that hold checksums would be weak; so the format rotates it and adds a constant.
fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Writes `<experiment>/<condition>/r<replicate>/` with an event file into `dir` for every run that has one, and says how
/// many. Those that are there already and have not changed are not touched. One that has changed is replaced: a
/// TensorBoard that is reading it shows the new epochs when it is started again.
///
/// # Errors
///
/// A directory cannot be made or a file not be written.
pub fn write(records: &[RunRecord], dir: &Path) -> Result<usize, InputError> {
    let mut count = 0;
    for record in records {
        let Some(bytes) = events(record) else { continue };
        let run = &record.run;
        let folder = dir.join(&*run.experiment).join(&record.condition).join(format!("r{}", run.replicate));
        let path = folder.join(FILE);
        if std::fs::read(&path).ok().as_ref() != Some(&bytes) {
            std::fs::create_dir_all(&folder).map_err(|e| InputError::io(&folder, &e))?;
            aside::write(&path, &bytes)?;
        }
        count += 1;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures::records;

    /// CRC-32C bit by bit: the reversed polynomial of Castagnoli.
    fn slow_crc(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 })
        })
    }

    /// The events of a file, with every checksum compared.
    fn read(mut bytes: &[u8]) -> Vec<Event> {
        let mask = |crc: u32| ((u64::from(crc) << 17 | u64::from(crc) >> 15) as u32).wrapping_add(0xa282_ead8);
        let mut take = |n: usize| {
            let (taken, rest) = bytes.split_at(n);
            bytes = rest;
            (taken.to_vec(), rest.is_empty())
        };
        let mut events = Vec::new();
        loop {
            let (length, _) = take(8);
            assert_eq!(take(4).0, mask(slow_crc(&length)).to_le_bytes());
            let (data, _) = take(u64::from_le_bytes(length.try_into().unwrap()) as usize);
            let (crc, end) = take(4);
            assert_eq!(crc, mask(slow_crc(&data)).to_le_bytes());
            events.push(Event::decode(data.as_slice()).unwrap());
            if end {
                return events;
            }
        }
    }

    /// RFC 3720, B.4.
    #[test]
    fn checksums_are_crc32c() {
        assert_eq!(slow_crc(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
    }

    /// An event by the encoding of protocol buffers: field 1 as a double, 2 as a varint, 5 as a message of messages of a
    /// text and a float. A value of 0 is there.
    #[test]
    fn an_event_byte_by_byte() {
        let value = Value { tag: "a".into(), simple_value: Some(0.0) };
        let event =
            Event { wall_time: 1.0, step: 300, file_version: None, summary: Some(Summary { value: vec![value] }) };
        let mut wanted = vec![0x09];
        wanted.extend(1f64.to_le_bytes());
        wanted.extend([0x10, 0xac, 0x02, 0x2a, 10, 0x0a, 8, 0x0a, 1, b'a', 0x15, 0, 0, 0, 0]);
        assert_eq!(event.encode_to_vec(), wanted);
    }

    #[test]
    fn steps_are_epochs_and_undefined_values_are_left_out() {
        let records = records();
        let events = read(&events(&records[0]).unwrap());
        assert_eq!(events[0].file_version.as_deref(), Some("brain.Event:2"));
        assert!(events.iter().all(|event| event.wall_time == 1.7e9 + 0.5));
        assert_eq!(events[1..].iter().map(|event| event.step).collect::<Vec<_>>(), (1..=40).collect::<Vec<_>>());
        let of = |step: usize| -> Vec<(String, f32)> {
            let values = &events[step].summary.as_ref().unwrap().value;
            values.iter().map(|value| (value.tag.clone(), value.simple_value.unwrap())).collect()
        };
        let pair = |tag: &str, value: f64| (tag.to_string(), value as f32);
        let epoch = |x: f64| {
            [
                pair("train/loss", 1.0 / x),
                pair("train/accuracy", 1.0 - 1.0 / (x + 1.0)),
                pair("test/loss", 0.25),
                pair("test/accuracy", 0.5),
                pair("sparsity", 0.0),
            ]
        };
        assert_eq!(of(1), epoch(1.0));
        assert_eq!(of(2), epoch(2.0)[1..]);
        let unpruned = [pair("unpruned/ncut", 10.0), pair("unpruned/null_mean", 10.25), pair("unpruned/z_score", -1.0)];
        assert_eq!(of(20), [&epoch(20.0)[..], &unpruned].concat());
        assert_eq!(of(40), [&epoch(40.0)[..], &[pair("pruned/ncut", 8.333333333333332)]].concat());
    }

    #[test]
    fn a_run_has_a_file_if_there_is_something_to_show() {
        let counts = records().iter().map(|record| events(record).map(|bytes| read(&bytes).len())).collect::<Vec<_>>();
        assert_eq!(counts, [Some(41), Some(2), Some(4), Some(2), Some(2), None]);
    }

    #[test]
    fn what_has_not_changed_is_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        let mut records = records();
        assert_eq!(write(&records, dir.path()).unwrap(), 5);
        let path = |r: usize| {
            dir.path().join("e").join(&records[r].condition).join(format!("r{}", records[r].run.replicate)).join(FILE)
        };
        let paths = [path(0), path(2)];
        let old = std::time::UNIX_EPOCH;
        paths
            .iter()
            .for_each(|path| std::fs::File::options().write(true).open(path).unwrap().set_modified(old).unwrap());
        records[2].epochs.pop();
        write(&records, dir.path()).unwrap();
        let modified = paths.map(|path| path.metadata().unwrap().modified().unwrap());
        assert_eq!((modified[0] == old, modified[1] == old), (true, false));
    }
}
