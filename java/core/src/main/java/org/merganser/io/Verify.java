// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicLong;
import org.merganser.compute.Memory;
import org.merganser.compute.Workspace;
import org.merganser.internal.Names;
import org.merganser.internal.Threads;
import org.merganser.internal.kernel.Block;
import org.merganser.linalg.Tensor;

/** Compares a folder with the digests that were taken when it was written. */
final class Verify {
  private final Path folder;
  private final ModelManifest manifest;
  private final Checkpoint model;
  private final Workspace ws;
  private final AtomicLong done = new AtomicLong();
  private final long total;

  private Verify(Path folder, ModelManifest manifest, Checkpoint model, Workspace ws) {
    this.folder = folder;
    this.manifest = manifest;
    this.model = model;
    this.ws = ws;
    this.total = model.tensors().values().stream().mapToLong(TensorInfo::bytes).sum();
  }

  static List<String> run(Path folder, Workspace ws) throws IOException {
    Path file = folder.resolve(ModelManifest.FILE);
    if (!Files.exists(file)) {
      throw new IOException(folder + " has no " + ModelManifest.FILE + ": nothing to compare with");
    }
    ModelManifest manifest = ModelManifest.read(file);
    if (manifest.tensors().isEmpty()) {
      throw new IOException(file + " has no digests of tensors; write the model with them");
    }
    try (Checkpoint model = Safetensors.open(folder)) {
      return new Verify(folder, manifest, model, ws).problems();
    }
  }

  private List<String> problems() throws IOException {
    List<Callable<List<String>>> calls = new ArrayList<>();
    TreeSet<String> names = new TreeSet<>(manifest.tensors().keySet());
    names.addAll(model.tensors().keySet());
    names.forEach(name -> calls.add(() -> tensor(name)));
    manifest.files().forEach((name, digest) -> calls.add(() -> file(name, digest)));
    List<String> problems = new ArrayList<>();
    try (Threads threads = new Threads(ws.threads())) {
      threads.all(calls).forEach(problems::addAll);
    }
    return problems;
  }

  private List<String> tensor(String name) throws IOException {
    String wanted = manifest.tensors().get(name);
    if (wanted == null) {
      return List.of("tensor " + Names.quote(name) + " was not written with the others");
    }
    TensorInfo info = model.tensors().get(name);
    if (info == null) {
      return List.of("tensor " + Names.quote(name) + " is missing");
    }
    String found = digest(name, info);
    report(info.bytes());
    return found.equals(wanted)
        ? List.of()
        : List.of(
            "tensor "
                + Names.quote(name)
                + " "
                + info
                + " has other bytes: digest "
                + found
                + ", written as "
                + wanted);
  }

  private String digest(String name, TensorInfo info) throws IOException {
    Pieces pieces = Pieces.of(info, manifest.pieceBytes());
    List<String> digests = new ArrayList<>();
    try (Memory buffer = Memory.allocate(Math.min(info.bytes(), manifest.pieceBytes()))) {
      for (int piece = 0; piece < pieces.count(); piece++) {
        ws.cancellation().check();
        long size = pieces.end(piece) - pieces.begin(piece);
        int bytes = Math.toIntExact(info.dtype().bytes(size));
        try (Memory used = buffer.slice(0, bytes);
            Tensor part = Tensor.over(used, info.dtype(), size);
            Block.View view = Block.view(buffer, 0, bytes)) {
          model.readRange(name, pieces.begin(piece), pieces.end(piece), part, ws);
          digests.add(Digests.sha256(view.buffer()));
        }
      }
    }
    return Digests.ofTensor(digests);
  }

  private List<String> file(String name, String wanted) throws IOException {
    Path path = folder.resolve(name);
    if (!Files.exists(path)) {
      return List.of("file " + name + " is missing");
    }
    if (wanted.isEmpty()) {
      return List.of();
    }
    String found = Digests.sha256(path);
    return found.equals(wanted)
        ? List.of()
        : List.of("file " + name + " has other bytes: SHA-256 " + found + ", written as " + wanted);
  }

  private void report(long bytes) {
    synchronized (done) {
      ws.progress().report("verify", done.addAndGet(bytes), total);
    }
  }
}
