// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.merganser.compute.DType;
import org.merganser.error.FormatException;
import org.merganser.error.ShapeException;
import org.merganser.internal.Names;
import org.merganser.internal.io.FileBytes;
import org.merganser.internal.io.FileKind;
import org.merganser.internal.io.PartialFile;
import org.merganser.internal.kernel.Block;
import org.merganser.linalg.Tensor;

/**
 * NumPy's {@code .npy} files, versions 1 to 3: little-endian, C order, types {@code f8 f4 f2 i8 i4
 * i2 i1 u8 u4 u2 u1 b1}. Rows can be read a part at a time, so a file may be larger than memory.
 */
public final class Npy implements AutoCloseable {
  private static final byte[] MAGIC = {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y'};
  private static final int MAX_HEADER = 1 << 20;
  private static final Pattern DESCR =
      Pattern.compile("['\"]descr['\"]\\s*:\\s*['\"]([^'\"]*)['\"]");
  private static final Pattern ORDER =
      Pattern.compile("['\"]fortran_order['\"]\\s*:\\s*(True|False|1|0)");

  /** Python 2 wrote long integers as {@code 200L}. */
  private static final Pattern SHAPE =
      Pattern.compile("['\"]shape['\"]\\s*:\\s*\\(([0-9lL,\\s]*)\\)");

  private final FileBytes file;
  private final TensorInfo info;
  private final long dataStart;

  private Npy(FileBytes file, TensorInfo info, long dataStart) {
    this.file = file;
    this.info = info;
    this.dataStart = dataStart;
  }

  /** Opens a file; only its header is read now. */
  public static Npy open(Path path) throws IOException {
    FileBytes file = new FileBytes(path);
    try {
      return parse(file);
    } catch (IOException | RuntimeException e) {
      file.close();
      throw e;
    }
  }

  /** Reads a whole file. */
  public static Tensor read(Path path) throws IOException {
    try (Npy npy = open(path)) {
      Tensor tensor = Tensor.allocate(npy.info.dtype(), npy.info.dims());
      npy.file.read(npy.dataStart, tensor.memory());
      return tensor;
    }
  }

  /**
   * What stands before the elements of a file of version 1, for who writes them some at a time.
   *
   * @return ready to be written
   */
  public static ByteBuffer header(TensorInfo info) {
    String shape =
        info.shape().stream()
            .map(String::valueOf)
            .collect(Collectors.joining(", ", "(", info.rank() == 1 ? ",)" : ")"));
    String dict =
        "{'descr': '"
            + descr(info.dtype())
            + "', 'fortran_order': False, 'shape': "
            + shape
            + ", }";
    int length = (10 + dict.length() + 1 + 63) / 64 * 64 - 10;
    ByteBuffer header = ByteBuffer.allocate(10 + length).order(ByteOrder.LITTLE_ENDIAN);
    header.put(MAGIC).put((byte) 1).put((byte) 0).putShort((short) length);
    header.put(dict.getBytes(StandardCharsets.US_ASCII));
    while (header.remaining() > 1) {
      header.put((byte) ' ');
    }
    return header.put((byte) '\n').flip();
  }

  /** Writes a tensor as version 1, complete or not at all. */
  public static void write(Tensor tensor, Path path) throws IOException {
    ByteBuffer header = header(TensorInfo.of(tensor));
    try (PartialFile out = new PartialFile(path, header.limit() + tensor.bytes())) {
      out.write(header);
      for (long at = 0; at < tensor.bytes(); ) {
        int chunk = (int) Math.min(tensor.bytes() - at, 1 << 26);
        try (Block.View view = Block.view(tensor, at, chunk)) {
          out.write(view.buffer());
        }
        at += chunk;
      }
      out.commit();
    }
  }

  public TensorInfo info() {
    return info;
  }

  /** Reads rows {@code from} (included) to {@code to} (excluded) of the first dimension. */
  public void readRows(long from, long to, Tensor into) throws IOException {
    if (info.rank() == 0 || from < 0 || to < from || to > info.dim(0)) {
      throw new IllegalArgumentException("rows " + from + " to " + to + " of " + file.path());
    }
    long[] part = info.dims();
    part[0] = to - from;
    into.require("target of rows of " + file.path(), info.dtype(), part);
    long rowBytes = info.dim(0) == 0 ? 0 : info.bytes() / info.dim(0);
    file.read(dataStart + from * rowBytes, into.memory().slice(0, (to - from) * rowBytes));
  }

  /** Reads elements {@code from} (included) to {@code to} (excluded), in the order of the file. */
  public void readRange(long from, long to, Tensor into) throws IOException {
    if (from < 0 || to < from || to > info.size()) {
      throw new IllegalArgumentException(
          "elements " + from + " to " + to + " of " + file.path() + ", " + info);
    }
    into.require("target of elements of " + file.path(), info.dtype(), to - from);
    long begin = dataStart + info.dtype().bytes(from);
    file.read(begin, into.memory().slice(0, info.dtype().bytes(to - from)));
  }

  @Override
  public void close() {
    file.close();
  }

  private static Npy parse(FileBytes file) throws IOException {
    Path path = file.path();
    if (file.size() < 12 || !Arrays.equals(file.read(0, 6).array(), MAGIC)) {
      throw new FormatException(
          path
              + ": no .npy file (it does not begin with \\x93NUMPY)"
              + FileKind.or(file, "").replaceFirst("^(?=.)", "; it is "));
    }
    ByteBuffer prefix = file.read(6, 6);
    int major = prefix.get();
    prefix.get();
    long length = major == 1 ? prefix.getShort() & 0xffffL : prefix.getInt() & 0xffffffffL;
    int start = major == 1 ? 10 : 12;
    if (major < 1 || major > 3) {
      throw new FormatException(path + ": .npy version " + major + " is unknown; 1 to 3 are read");
    }
    if (length > MAX_HEADER || length > file.size() - start) {
      throw new FormatException(
          path + ": header of " + length + " bytes in a file of " + file.size() + " bytes");
    }
    String header = new String(file.read(start, (int) length).array(), StandardCharsets.UTF_8);
    String descr = find(path, DESCR, header, "descr");
    if (find(path, ORDER, header, "fortran_order").matches("True|1")) {
      throw new FormatException(
          path + ": stored in Fortran order; save np.ascontiguousarray(array) instead");
    }
    TensorInfo info = TensorInfo.of(dtype(path, descr), shape(path, header));
    long dataStart = start + length;
    long found = file.size() - dataStart;
    long needed = bytes(path, info);
    if (found != needed) {
      throw new FormatException(
          path
              + ": "
              + info
              + " needs "
              + needed
              + " bytes of data, the file has "
              + found
              + (found < needed ? "; it is truncated" : ""));
    }
    return new Npy(file, info, dataStart);
  }

  private static long bytes(Path path, TensorInfo info) {
    try {
      return info.bytes();
    } catch (ShapeException | IllegalArgumentException e) {
      String shape = info.shape().stream().map(String::valueOf).collect(Collectors.joining(", "));
      String tuple = "(" + shape + (info.rank() == 1 ? ",)" : ")");
      throw new FormatException(path + ": shape " + tuple + " overflows", e);
    }
  }

  private static long[] shape(Path path, String header) {
    String text = find(path, SHAPE, header, "shape");
    try {
      return Arrays.stream(text.split(","))
          .map(size -> size.trim().replaceAll("[lL]$", ""))
          .filter(s -> !s.isEmpty())
          .mapToLong(Long::parseLong)
          .toArray();
    } catch (NumberFormatException e) {
      throw new FormatException(path + ": shape (" + text + ") is not readable", e);
    }
  }

  private static String find(Path path, Pattern pattern, String header, String key) {
    Matcher matcher = pattern.matcher(header);
    if (!matcher.find()) {
      throw new FormatException(
          path + ": no readable '" + key + "' in the header " + Names.cut(header.trim()));
    }
    return matcher.group(1);
  }

  private static DType dtype(Path path, String descr) {
    // No order is the machine's, and one byte has none.
    String plain = descr.replaceFirst("^[<|=]", "");
    return switch (plain) {
      case "f8" -> DType.F64;
      case "f4" -> DType.F32;
      case "f2" -> DType.F16;
      case "i8" -> DType.I64;
      case "i4" -> DType.I32;
      case "i2" -> DType.I16;
      case "i1", ">i1" -> DType.I8;
      case "u8" -> DType.U64;
      case "u4" -> DType.U32;
      case "u2" -> DType.U16;
      case "u1", ">u1" -> DType.U8;
      case "b1", ">b1", "?" -> DType.BOOL;
      default ->
          throw new FormatException(
              path
                  + ": type "
                  + Names.quote(descr)
                  + " is not read; save array.astype(np.float32), little-endian");
    };
  }

  private static String descr(DType dtype) {
    return switch (dtype) {
      case F64 -> "<f8";
      case F32 -> "<f4";
      case F16 -> "<f2";
      case I64 -> "<i8";
      case I32 -> "<i4";
      case I16 -> "<i2";
      case I8 -> "|i1";
      case U64 -> "<u8";
      case U32 -> "<u4";
      case U16 -> "<u2";
      case U8 -> "|u1";
      case BOOL -> "|b1";
      default -> throw new IllegalArgumentException(dtype + " has no .npy type; convert to F32");
    };
  }
}
