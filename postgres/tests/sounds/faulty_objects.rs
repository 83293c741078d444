//! An object store in memory that fails as a test says.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

/// An operation of the object store that can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// A put in one request.
    Put,
    /// The upload of one part.
    Part,
    /// The completion of an upload in parts.
    Complete,
    /// The reading of an object.
    Get,
    /// The deletion of an object.
    Delete,
    /// The list of a day's objects.
    List,
}

/// The way in which an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It fails and does nothing.
    Refused,
    /// It is done, and its answer is an error.
    AnswerLost,
    /// It does nothing and never answers.
    Stalled,
    /// It is done and never answers.
    DoneAndStalled,
    /// A read or a list ends in the middle: with an error.
    CutOff,
    /// A read ends in the middle as if this were its end.
    Torn,
    /// One bit of what is read is wrong.
    Changed,
}

/// An object store in memory whose next operations fail as the test says. Clones share everything.
#[derive(Debug, Clone, Default)]
pub(crate) struct FaultyObjects(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    objects: Arc<InMemory>,
    faults: Mutex<VecDeque<(Operation, Fault)>>,
    part_sizes: Mutex<Vec<usize>>,
}

impl FaultyObjects {
    /// Lets the next `operation` fail, after the faults that were set before.
    pub(crate) fn fail(&self, operation: Operation, fault: Fault) {
        lock(&self.0.faults).push_back((operation, fault));
    }

    /// Takes back all faults that have not happened.
    pub(crate) fn heal(&self) {
        lock(&self.0.faults).clear();
    }

    /// Returns the names of all objects that are there.
    pub(crate) async fn names(&self) -> BTreeSet<String> {
        let objects: Vec<ObjectMeta> = self.0.objects.list(None).try_collect().await.unwrap();
        objects.into_iter().map(|object| object.location.to_string()).collect()
    }

    /// Returns the sizes of all parts and of all whole objects that were put.
    pub(crate) fn part_sizes(&self) -> Vec<usize> {
        lock(&self.0.part_sizes).clone()
    }

    fn fault(&self, operation: Operation) -> Option<Fault> {
        let mut faults = lock(&self.0.faults);
        faults.front().filter(|(of, _)| *of == operation)?;
        faults.pop_front().map(|(_, fault)| fault)
    }

    /// Does `work` with the next fault of `operation`.
    async fn with_fault<T>(&self, operation: Operation, work: impl Future<Output = Result<T>>) -> Result<T> {
        match self.fault(operation) {
            Some(Fault::Refused) => Err(failed("refused")),
            Some(Fault::Stalled) => std::future::pending().await,
            Some(Fault::AnswerLost) => work.await.and(Err(failed("the answer was lost"))),
            Some(Fault::DoneAndStalled) => {
                let _done = work.await?;
                std::future::pending().await
            }
            Some(Fault::CutOff | Fault::Torn | Fault::Changed) | None => work.await,
        }
    }
}

impl fmt::Display for FaultyObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FaultyObjects")
    }
}

#[async_trait]
impl ObjectStore for FaultyObjects {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        lock(&self.0.part_sizes).push(payload.content_length());
        self.with_fault(Operation::Put, self.0.objects.put_opts(location, payload, opts)).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let upload = self.0.objects.put_multipart_opts(location, opts).await?;
        Ok(Box::new(FaultyUpload { objects: self.clone(), upload }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let fault = lock(&self.0.faults).front().copied();
        let mut found = self.with_fault(Operation::Get, self.0.objects.get_opts(location, options)).await?;
        let Some((Operation::Get, fault)) = fault else { return Ok(found) };
        let (meta, range, attributes) = (found.meta.clone(), found.range.clone(), found.attributes.clone());
        let extensions = found.extensions.clone();
        let sound = found.bytes().await?;
        let half = sound.slice(..sound.len() / 2);
        let pieces: Vec<Result<Bytes>> = match fault {
            Fault::CutOff => vec![Ok(half), Err(failed("the connection was cut"))],
            Fault::Torn => vec![Ok(half)],
            Fault::Changed => {
                let mut changed = sound.to_vec();
                if let Some(byte) = changed.last_mut() {
                    *byte ^= 1;
                }
                vec![Ok(changed.into())]
            }
            _ => vec![Ok(sound)],
        };
        found = GetResult {
            payload: GetResultPayload::Stream(futures::stream::iter(pieces).boxed()),
            meta,
            range,
            attributes,
            extensions,
        };
        Ok(found)
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let objects = self.clone();
        let delete = move |location: Result<Path>| {
            let objects = objects.clone();
            async move {
                let location = location?;
                let one = futures::stream::iter([Ok(location.clone())]).boxed();
                let deleted = async { objects.0.objects.delete_stream(one).try_collect::<Vec<_>>().await };
                objects.with_fault(Operation::Delete, deleted).await?;
                Ok(location)
            }
        };
        locations.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let listed = self.0.objects.list(prefix);
        match self.fault(Operation::List) {
            None => listed,
            Some(Fault::Stalled | Fault::DoneAndStalled) => futures::stream::pending().boxed(),
            Some(_) => listed.take(1).chain(futures::stream::iter([Err(failed("the list was cut off"))])).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.objects.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.objects.copy_opts(from, to, options).await
    }
}

/// An upload in parts that fails as its object store does.
#[derive(Debug)]
struct FaultyUpload {
    objects: FaultyObjects,
    upload: Box<dyn MultipartUpload>,
}

#[async_trait]
impl MultipartUpload for FaultyUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        lock(&self.objects.0.part_sizes).push(data.content_length());
        let (objects, part) = (self.objects.clone(), self.upload.put_part(data));
        Box::pin(async move { objects.with_fault(Operation::Part, part).await })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.objects.with_fault(Operation::Complete, self.upload.complete()).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.upload.abort().await
    }
}

fn failed(reason: &'static str) -> Error {
    Error::Generic { store: "faulty", source: reason.into() }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}
