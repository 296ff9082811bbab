// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.IOException;
import java.nio.ByteBuffer;
import org.merganser.compute.Device;
import org.merganser.compute.Memory;
import org.merganser.compute.Workspace;
import org.merganser.internal.kernel.Block;
import org.merganser.io.ShardQueue.Item;
import org.merganser.io.ShardQueue.Part;
import org.merganser.io.ShardedWriter.Digest;
import org.merganser.linalg.Tensor;

/** Computes parts of tensors and writes them, with a context and a buffer of its own. */
final class ShardWorker implements AutoCloseable {
  private final Checkpoint model;
  private final Digest digest;
  private final Workspace ws;
  private final boolean own;
  private Memory buffer = Memory.allocate(Pieces.BYTES);

  ShardWorker(Checkpoint model, Digest digest, Workspace ws) {
    this.model = model;
    this.digest = digest;
    this.own = ws.device() == Device.HOST;
    this.ws =
        own
            ? Workspace.builder()
                .backend(ws.backend())
                .threads(1)
                .seed(ws.seed())
                .cancellation(ws.cancellation())
                .open()
            : ws;
  }

  void write(Part part) throws IOException {
    ws.cancellation().check();
    Item item = part.item();
    long bytes = item.info.dtype().bytes(part.to() - part.from());
    if (buffer.bytes() < bytes) {
      buffer.close();
      buffer = Memory.allocate(bytes);
    }
    if (!isWritten(part)) {
      try (Memory used = buffer.slice(0, bytes);
          Tensor into = Tensor.over(used, item.info.dtype(), part.to() - part.from())) {
        model.readRange(item.name, part.from(), part.to(), into, ws);
      }
      for (int piece = part.first(); piece < part.end(); piece++) {
        try (Block.View view = view(part, piece)) {
          String taken = digest(view.buffer().duplicate());
          item.file.write(view.buffer().duplicate(), position(item, piece));
          item.file.journal().add(item.firstPiece + piece, taken);
        }
      }
    }
  }

  /** Whether the file holds the part already, as the journal describes it. */
  private boolean isWritten(Part part) throws IOException {
    Item item = part.item();
    for (int piece = part.first(); piece < part.end(); piece++) {
      String known = item.file.journal().digest(item.firstPiece + piece);
      if (known == null) {
        return false;
      }
      try (Block.View view = view(part, piece)) {
        if (!item.file.read(view.buffer().duplicate(), position(item, piece))
            || !digest(view.buffer().duplicate()).equals(known)) {
          return false;
        }
      }
    }
    return true;
  }

  private Block.View view(Part part, int piece) {
    Item item = part.item();
    long begin = item.info.dtype().bytes(item.pieces.begin(piece) - part.from());
    long end = item.info.dtype().bytes(item.pieces.end(piece) - part.from());
    return Block.view(buffer, begin, (int) (end - begin));
  }

  private static long position(Item item, int piece) {
    return item.file.shard().offsets().get(item.name)
        + item.info.dtype().bytes(item.pieces.begin(piece));
  }

  private String digest(ByteBuffer bytes) {
    return digest == Digest.NONE ? Digests.crc32c(bytes) : Digests.sha256(bytes);
  }

  @Override
  public void close() {
    buffer.close();
    if (own) {
      ws.close();
    }
  }
}
