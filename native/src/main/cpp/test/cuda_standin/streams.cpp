// SPDX-License-Identifier: Apache-2.0
// Streams and events. Work of a stream runs in its order when somebody waits for it, as late as CUDA allows; in the
// shuffled order also at times that nobody asked for.
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "control.h"
#include "standin.h"

struct CUstream_st {
  struct Work {
    std::string name;
    std::function<void()> run;
  };
  std::deque<Work> queue;
  int64_t queued = 0, finished = 0;
  bool blocks = false;  // waits for the default stream, and it for this one
};

// What the last record was of, an event as whoever waits for it sees it: the stream may end before, and the next one
// have its address; one that has ended has finished all of its work.
struct Mark {
  std::shared_ptr<CUstream_st> stream;
  int64_t number = 0;  // of work in it
  bool reached() const { return !stream || stream->finished >= number; }
};

struct CUevent_st {
  Mark mark;
  bool timed = true;
  std::shared_ptr<std::chrono::steady_clock::time_point> when;  // of the record; work in a stream that outlives this
};

namespace standin {

namespace {

struct Streams {
  const std::shared_ptr<CUstream_st> none = std::make_shared<CUstream_st>();  // the default stream
  std::map<cudaStream_t, std::shared_ptr<CUstream_st>> all{{none.get(), none}};
  std::set<cudaEvent_t> events;
};

Streams& streams() {
  static Streams& only = *new Streams;
  return only;
}

cudaStream_t resolve(cudaStream_t stream) {
  if (!stream || stream == cudaStreamLegacy) return streams().none.get();
  return streams().all.count(stream) ? stream : nullptr;
}

// Runs work of the stream until `number` pieces are finished.
void run(cudaStream_t stream, int64_t number) {
  const Access access;
  while (stream->finished < number) {
    const CUstream_st::Work work = std::move(stream->queue.front());
    stream->queue.pop_front();
    if (!broken()) {
      work.run();
      check_guards(work.name.c_str());
    }
    ++stream->finished;
  }
}

void run(cudaStream_t stream) { run(stream, stream->queued); }

void run(const Mark& mark) {
  if (!mark.reached()) run(mark.stream.get(), mark.number);
}

bool idle(cudaStream_t stream) { return stream->queue.empty(); }

void enqueue(cudaStream_t stream, const std::string& name, std::function<void()> work) {
  cudaStream_t const none = streams().none.get();
  if (stream == none) {
    for (const auto& [each, owner] : streams().all) {
      if (each->blocks) run(each);
    }
  } else if (stream->blocks) {
    run(none);
  }
  stream->queue.push_back({name, std::move(work)});
  ++stream->queued;
  if (order() == Order::SHUFFLED && random_number() % 4 == 0) {
    for (const auto& [each, owner] : streams().all) {
      const uint64_t some = random_number() % (each->queue.size() + 1);
      run(each, each->finished + static_cast<int64_t>(some));
    }
  }
}

cudaError_t create(const char* name, cudaStream_t* out, unsigned int flags) {
  Call call(name);
  if (call.error) return done(call.error);
  if (!out || flags > cudaStreamNonBlocking) return refuse(cudaErrorInvalidValue, "a stream with bad arguments");
  const auto made = std::make_shared<CUstream_st>();
  made->blocks = flags == cudaStreamDefault;
  *out = made.get();
  streams().all[*out] = made;
  return done(cudaSuccess);
}

bool known(cudaEvent_t event) { return streams().events.count(event) > 0; }

// ---- Copies

struct Copy {
  char* to;
  size_t to_pitch;
  const char* from;
  size_t from_pitch, width, height;
};

void copy_now(const Copy& copy) {
  for (size_t row = 0; row < copy.height; ++row) {
    std::memmove(copy.to + row * copy.to_pitch, copy.from + row * copy.from_pitch, copy.width);
  }
}

// A side that is on the device lies in one allocation; one that is not is none of the device's.
bool right(const void* pointer, size_t pitch, size_t width, size_t height, bool device) {
  if ((place_of(pointer) == Place::DEVICE) != device) return false;
  return !device || on_device(pointer, (height - 1) * pitch + width);
}

cudaError_t copy(const char* name, const Copy& c, cudaMemcpyKind kind, cudaStream_t given, bool wait) {
  Call call(name);
  if (call.error) return done(call.error);
  const std::string what = name;
  cudaStream_t const stream = resolve(given);
  if (!stream) return refuse(cudaErrorInvalidResourceHandle, what + " on no stream");
  if (kind < 0 || kind > cudaMemcpyDefault) return refuse(cudaErrorInvalidMemcpyDirection, what + " in no direction");
  if (c.width == 0 || c.height == 0) return done(cudaSuccess);
  if (c.height > 1 && (c.to_pitch < c.width || c.from_pitch < c.width)) {
    return refuse(cudaErrorInvalidValue, what + " with a pitch below the width");
  }
  const bool any = kind == cudaMemcpyDefault;
  const bool to_device = any ? place_of(c.to) == Place::DEVICE : (kind & cudaMemcpyHostToDevice) != 0;
  const bool from_device = any ? place_of(c.from) == Place::DEVICE : (kind & cudaMemcpyDeviceToHost) != 0;
  if (!c.to || !right(c.to, c.to_pitch, c.width, c.height, to_device)) {
    return refuse(cudaErrorInvalidValue, what + " to where it cannot write");
  }
  if (!c.from || !right(c.from, c.from_pitch, c.width, c.height, from_device)) {
    return refuse(cudaErrorInvalidValue, what + " from where it cannot read");
  }
  const bool pageable = place_of(c.to) == Place::PAGEABLE;
  if (place_of(c.from) == Place::PAGEABLE && !pageable) {
    // The driver has read pageable memory when the call returns.
    std::vector<char> staged(c.width * c.height);
    copy_now({staged.data(), c.width, c.from, c.from_pitch, c.width, c.height});
    enqueue(stream, what, [c, staged = std::move(staged)] {
      copy_now({c.to, c.to_pitch, staged.data(), c.width, c.width, c.height});
    });
  } else {
    enqueue(stream, what, [c] { copy_now(c); });
  }
  // And has written it.
  if (wait || pageable) run(stream);
  return done(broken());
}

cudaError_t set(const char* name, void* to, size_t pitch, int value, size_t width, size_t height, cudaStream_t given,
                bool wait) {
  Call call(name);
  if (call.error) return done(call.error);
  const std::string what = name;
  cudaStream_t const stream = resolve(given);
  if (!stream) return refuse(cudaErrorInvalidResourceHandle, what + " on no stream");
  if (width == 0 || height == 0) return done(cudaSuccess);
  if (height > 1 && pitch < width) return refuse(cudaErrorInvalidValue, what + " with a pitch below the width");
  if (!right(to, pitch, width, height, true)) return refuse(cudaErrorInvalidValue, what + " where it cannot write");
  enqueue(stream, what, [=] {
    for (size_t row = 0; row < height; ++row) std::memset(static_cast<char*>(to) + row * pitch, value, width);
  });
  if (wait) run(stream);
  return done(broken());
}

}  // namespace

bool known(cudaStream_t stream) { return resolve(stream) != nullptr; }

bool queue(cudaStream_t stream, const std::string& name, std::function<void()> work) {
  cudaStream_t const found = resolve(stream);
  if (found) enqueue(found, name, std::move(work));
  return found != nullptr;
}

void run_all() {
  for (const auto& [each, owner] : streams().all) run(each);
}

}  // namespace standin

using namespace standin;

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  return copy("cudaMemcpy", {static_cast<char*>(to), bytes, static_cast<const char*>(from), bytes, bytes, 1}, kind,
              nullptr, true);
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  return copy("cudaMemcpyAsync", {static_cast<char*>(to), bytes, static_cast<const char*>(from), bytes, bytes, 1}, kind,
              stream, false);
}
cudaError_t cudaMemcpy2D(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width, size_t height,
                         cudaMemcpyKind kind) {
  return copy("cudaMemcpy2D",
              {static_cast<char*>(to), to_pitch, static_cast<const char*>(from), from_pitch, width, height}, kind,
              nullptr, true);
}
cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width,
                              size_t height, cudaMemcpyKind kind, cudaStream_t stream) {
  return copy("cudaMemcpy2DAsync",
              {static_cast<char*>(to), to_pitch, static_cast<const char*>(from), from_pitch, width, height}, kind,
              stream, false);
}
cudaError_t cudaMemset(void* to, int value, size_t bytes) {
  return set("cudaMemset", to, bytes, value, bytes, 1, nullptr, true);
}
cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  return set("cudaMemsetAsync", to, bytes, value, bytes, 1, stream, false);
}
cudaError_t cudaMemset2DAsync(void* to, size_t pitch, int value, size_t width, size_t height, cudaStream_t stream) {
  return set("cudaMemset2DAsync", to, pitch, value, width, height, stream, false);
}

cudaError_t cudaStreamCreate(cudaStream_t* stream) { return create("cudaStreamCreate", stream, cudaStreamDefault); }
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int flags) {
  return create("cudaStreamCreateWithFlags", stream, flags);
}
cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned int flags, int) {
  return create("cudaStreamCreateWithPriority", stream, flags);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  Call call("");
  cudaStream_t const found = resolve(stream);
  if (!found || found == streams().none.get()) {
    return refuse(cudaErrorInvalidResourceHandle, "cudaStreamDestroy of no stream");
  }
  run(found);
  streams().all.erase(found);
  return done(cudaSuccess);
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  Call call("cudaStreamSynchronize");
  if (call.error) return done(call.error);
  cudaStream_t const found = resolve(stream);
  if (!found) return refuse(cudaErrorInvalidResourceHandle, "cudaStreamSynchronize of no stream");
  run(found);
  return done(broken());
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  Call call("cudaStreamQuery");
  if (call.error) return done(call.error);
  cudaStream_t const found = resolve(stream);
  if (!found) return refuse(cudaErrorInvalidResourceHandle, "cudaStreamQuery of no stream");
  if (idle(found)) return done(broken());
  run(found, found->finished + 1);
  return cudaErrorNotReady;
}

cudaError_t cudaDeviceSynchronize() {
  Call call("cudaDeviceSynchronize");
  if (call.error) return done(call.error);
  run_all();
  return done(broken());
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int) {
  Call call("cudaStreamWaitEvent");
  if (call.error) return done(call.error);
  cudaStream_t const found = resolve(stream);
  if (!found || !known(event)) {
    return refuse(cudaErrorInvalidResourceHandle, "cudaStreamWaitEvent of no stream or event");
  }
  if (event->mark.reached()) return done(cudaSuccess);
  enqueue(found, "cudaStreamWaitEvent", [mark = event->mark] { run(mark); });
  return done(cudaSuccess);
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* argument) {
  Call call("cudaLaunchHostFunc");
  if (call.error) return done(call.error);
  if (queue(stream, "a function of the host", [=] { function(argument); })) return done(cudaSuccess);
  return refuse(cudaErrorInvalidResourceHandle, "cudaLaunchHostFunc on no stream");
}

cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned int flags) {
  Call call("cudaEventCreateWithFlags");
  if (call.error) return done(call.error);
  if (!event || flags > 7) return refuse(cudaErrorInvalidValue, "cudaEventCreateWithFlags with bad arguments");
  *event = new CUevent_st;
  (*event)->timed = (flags & cudaEventDisableTiming) == 0;
  streams().events.insert(*event);
  return done(cudaSuccess);
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  Call call("");
  if (!known(event)) return refuse(cudaErrorInvalidResourceHandle, "cudaEventDestroy of no event");
  streams().events.erase(event);
  delete event;
  return done(cudaSuccess);
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  Call call("cudaEventRecord");
  if (call.error) return done(call.error);
  cudaStream_t const found = resolve(stream);
  if (!found || !known(event)) return refuse(cudaErrorInvalidResourceHandle, "cudaEventRecord of no stream or event");
  event->when = std::make_shared<std::chrono::steady_clock::time_point>();
  enqueue(found, "cudaEventRecord", [when = event->when] { *when = std::chrono::steady_clock::now(); });
  event->mark = {streams().all.at(found), found->queued};
  return done(cudaSuccess);
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  Call call("cudaEventSynchronize");
  if (call.error) return done(call.error);
  if (!known(event)) return refuse(cudaErrorInvalidResourceHandle, "cudaEventSynchronize of no event");
  run(event->mark);
  return done(broken());
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  Call call("cudaEventQuery");
  if (call.error) return done(call.error);
  if (!known(event)) return refuse(cudaErrorInvalidResourceHandle, "cudaEventQuery of no event");
  const Mark& mark = event->mark;
  if (mark.reached()) return done(broken());
  run(mark.stream.get(), mark.stream->finished + 1);
  return cudaErrorNotReady;
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  Call call("cudaEventElapsedTime");
  if (call.error) return done(call.error);
  if (!known(start) || !known(end) || !start->timed || !end->timed || !start->when || !end->when) {
    return refuse(cudaErrorInvalidResourceHandle, "cudaEventElapsedTime of events without a time");
  }
  if (!start->mark.reached() || !end->mark.reached()) return cudaErrorNotReady;
  *milliseconds = std::chrono::duration<float, std::milli>(*end->when - *start->when).count();
  return done(cudaSuccess);
}

extern "C" __attribute__((visibility("default"))) int64_t standin_pending() {
  Call call("");
  int64_t pending = 0;
  for (const auto& [each, owner] : streams().all) pending += static_cast<int64_t>(each->queue.size());
  return pending;
}
