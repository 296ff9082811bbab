// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import static java.util.Map.entry;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.merganser.compute.DType;
import org.merganser.error.FormatException;
import org.merganser.internal.Names;

/**
 * The functions and types that a torch file may name, as data: those with which tensors are put
 * together. Any other is refused by its name.
 */
final class TorchGlobals {
  /** What to do about a file that holds more than data. */
  static final String REMEDY =
      "; if you trust the file, keep its tensors only, in Python: torch.save({k: v for k, v in"
          + " torch.load(PATH, weights_only=False).items() if isinstance(v, torch.Tensor)},"
          + " \"weights.pt\"), or .state_dict().items() where a module was saved";

  private static final int MAX_RANK = 64;

  private enum Call {
    TENSOR,
    TYPED_TENSOR,
    PARAMETER,
    DICT,
    SIZE
  }

  /**
   * Type of a storage; null where elements are bytes.
   *
   * @param element null for one without a type of its own
   */
  private record StorageType(DType element) {}

  private static final Map<String, Object> KNOWN =
      Map.ofEntries(
          entry("torch._utils._rebuild_tensor_v2", Call.TENSOR),
          entry("torch._utils._rebuild_tensor_v3", Call.TYPED_TENSOR),
          entry("torch._utils._rebuild_parameter", Call.PARAMETER),
          entry("collections.OrderedDict", Call.DICT),
          entry("torch.Size", Call.SIZE),
          entry("torch.DoubleStorage", new StorageType(DType.F64)),
          entry("torch.FloatStorage", new StorageType(DType.F32)),
          entry("torch.HalfStorage", new StorageType(DType.F16)),
          entry("torch.BFloat16Storage", new StorageType(DType.BF16)),
          entry("torch.LongStorage", new StorageType(DType.I64)),
          entry("torch.IntStorage", new StorageType(DType.I32)),
          entry("torch.ShortStorage", new StorageType(DType.I16)),
          entry("torch.CharStorage", new StorageType(DType.I8)),
          entry("torch.ByteStorage", new StorageType(DType.U8)),
          entry("torch.BoolStorage", new StorageType(DType.BOOL)),
          entry("torch.ComplexFloatStorage", new StorageType(DType.C64)),
          entry("torch.UntypedStorage", new StorageType(null)),
          entry("torch.storage.UntypedStorage", new StorageType(null)),
          entry("torch.storage._UntypedStorage", new StorageType(null)),
          entry("torch.storage.TypedStorage", new StorageType(null)),
          entry("torch.storage._TypedStorage", new StorageType(null)),
          entry("torch.float64", DType.F64),
          entry("torch.float32", DType.F32),
          entry("torch.float16", DType.F16),
          entry("torch.bfloat16", DType.BF16),
          entry("torch.int64", DType.I64),
          entry("torch.int32", DType.I32),
          entry("torch.int16", DType.I16),
          entry("torch.int8", DType.I8),
          entry("torch.uint64", DType.U64),
          entry("torch.uint32", DType.U32),
          entry("torch.uint16", DType.U16),
          entry("torch.uint8", DType.U8),
          entry("torch.bool", DType.BOOL),
          entry("torch.complex64", DType.C64),
          entry("torch.float8_e4m3fn", DType.F8_E4M3),
          entry("torch.float8_e5m2", DType.F8_E5M2),
          entry("torch.float8_e4m3fnuz", DType.F8_E4M3FNUZ),
          entry("torch.float8_e5m2fnuz", DType.F8_E5M2FNUZ),
          entry("torch.float8_e8m0fnu", DType.F8_E8M0));

  /**
   * The elements that tensors share.
   *
   * @param element null for one without a type of its own, counted in bytes
   * @param key name of the entry below {@code data/}
   */
  record Storage(DType element, String key, long count) {}

  /**
   * A tensor in a storage.
   *
   * @param offset first element
   * @param strides distance of neighbours along each axis, in elements
   */
  record Stored(TensorInfo info, Storage storage, long offset, List<Long> strides) {}

  private TorchGlobals() {}

  static Object of(String module, String name, Function<String, FormatException> refusal) {
    Object known = KNOWN.get(module + "." + name);
    if (known == null) {
      throw refusal.apply(
          "the global "
              + Names.quote(module + "." + name)
              + " is not among those of plain tensors, and is not run"
              + REMEDY);
    }
    return known;
  }

  /** A storage by the tuple that stands for it: "storage", type, key, device, count. */
  static Storage storage(TorchPickle.Items id, Function<String, FormatException> refusal) {
    List<Object> of = id.values();
    if (of.size() != 5
        || !of.get(0).equals("storage")
        || !(of.get(1) instanceof StorageType type)
        || !(of.get(2) instanceof String key)
        || !(of.get(4) instanceof Long count)
        || count < 0) {
      throw refusal.apply("a storage that is not (\"storage\", type, key, device, count)");
    }
    return new Storage(type.element, key, count);
  }

  static Object call(
      Object function, List<Object> arguments, Function<String, FormatException> refusal) {
    if (!(function instanceof Call call)) {
      throw refusal.apply("the pickle calls what is no function" + REMEDY);
    }
    return switch (call) {
      case TENSOR -> tensor(arguments, 6, refusal);
      case TYPED_TENSOR -> tensor(arguments, 7, refusal);
      case PARAMETER -> parameter(arguments, refusal);
      case DICT -> {
        if (!arguments.isEmpty()) {
          throw refusal.apply("an OrderedDict with arguments" + REMEDY);
        }
        yield new TorchPickle.Dict(new LinkedHashMap<>());
      }
      case SIZE -> new Object();
    };
  }

  private static Object parameter(List<Object> of, Function<String, FormatException> refusal) {
    if (of.size() != 3 || !(of.get(0) instanceof Stored)) {
      throw refusal.apply("a parameter that is not (tensor, requires_grad, hooks)");
    }
    return of.get(0);
  }

  /** Storage, offset, shape, strides, requires_grad, hooks, [type,] [metadata]. */
  private static Stored tensor(
      List<Object> of, int plain, Function<String, FormatException> refusal) {
    if (of.size() < plain
        || of.size() > plain + 1
        || !(of.get(0) instanceof Storage storage)
        || !(of.get(1) instanceof Long offset)) {
      throw refusal.apply("a tensor that is not (storage, offset, shape, strides, ...)");
    }
    List<Long> shape = sizes(of.get(2), refusal);
    List<Long> strides = sizes(of.get(3), refusal);
    Object type = plain == 7 ? of.get(6) : storage.element;
    if (!(type instanceof DType dtype) || storage.element != null && storage.element != dtype) {
      throw refusal.apply("a tensor whose type does not follow from it and its storage");
    }
    if (of.size() == plain + 1
        && (!(of.get(plain) instanceof TorchPickle.Dict more)
            || more.values().containsValue(true))) {
      throw refusal.apply(
          "a tensor that is conjugated or negated when it is read; save tensor.resolve_conj()"
              + ".resolve_neg()");
    }
    return checked(
        dtype,
        shape,
        new Storage(dtype, storage.key, count(storage, dtype, refusal)),
        offset,
        strides,
        refusal);
  }

  private static long count(
      Storage storage, DType dtype, Function<String, FormatException> refusal) {
    long width = dtype.bits() / 8;
    if (storage.element == null && storage.count % width != 0) {
      throw refusal.apply("a storage of " + storage.count + " bytes for elements of " + dtype);
    }
    return storage.element == null ? storage.count / width : storage.count;
  }

  /** All elements must lie in the storage, and be no more than there, as by expand(). */
  private static Stored checked(
      DType dtype,
      List<Long> shape,
      Storage storage,
      long offset,
      List<Long> strides,
      Function<String, FormatException> refusal) {
    String what = "a tensor of shape " + shape + ", strides " + strides + " from element " + offset;
    if (shape.size() != strides.size() || offset < 0) {
      throw refusal.apply(what);
    }
    try {
      long size = 1;
      long last = offset;
      for (int axis = 0; axis < shape.size(); axis++) {
        size = Math.multiplyExact(size, shape.get(axis));
        last =
            Math.addExact(
                last, Math.multiplyExact(Math.max(0, shape.get(axis) - 1), strides.get(axis)));
      }
      dtype.bytes(storage.count);
      if (size > 0 && (last >= storage.count || size > storage.count)) {
        throw refusal.apply(
            what
                + " does not fit its storage of "
                + storage.count
                + " elements; if it was expanded, save tensor.contiguous()");
      }
    } catch (ArithmeticException | IllegalArgumentException e) {
      throw refusal.apply(what + ", which overflows");
    }
    return new Stored(new TensorInfo(dtype, shape), storage, offset, strides);
  }

  private static List<Long> sizes(Object value, Function<String, FormatException> refusal) {
    if (!(value instanceof TorchPickle.Items items) || items.values().size() > MAX_RANK) {
      throw refusal.apply("a tensor without a tuple of at most " + MAX_RANK + " sizes");
    }
    for (Object size : items.values()) {
      if (!(size instanceof Long number) || number < 0) {
        throw refusal.apply("a tensor with a size or stride that is no number of 0 or more");
      }
    }
    return items.values().stream().map(Long.class::cast).toList();
  }
}
