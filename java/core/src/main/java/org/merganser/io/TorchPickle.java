// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.merganser.error.FormatException;
import org.merganser.internal.Names;

/**
 * Reads a pickle as data: the opcodes that {@code torch.save} writes for dictionaries of tensors,
 * and the functions of {@link TorchGlobals} only, so that nothing of the file is run. Each opcode
 * makes at most one small object, so memory is bounded by the length of the pickle, and nothing
 * recurses. Layout: pickletools of Python.
 */
final class TorchPickle {
  /** About 100 thousand tensors; bounds the memory of a pickle that is all empty dictionaries. */
  private static final int MAX_STEPS = 4_000_000;

  static final int MAX_BYTES = 1 << 24;

  private static final Object MARK = new Object();

  /** Python's None. */
  static final Object NONE = new Object();

  private final ByteBuffer in;
  private final Function<String, FormatException> refusal;
  private final List<Object> stack = new ArrayList<>();
  private final List<Integer> marks = new ArrayList<>();
  private final Map<Integer, Object> memo = new HashMap<>();

  /** A tuple or list; compared by identity, since it may hold itself. */
  record Items(List<Object> values, boolean tuple) {
    @Override
    public boolean equals(Object other) {
      return this == other;
    }

    @Override
    public int hashCode() {
      return System.identityHashCode(this);
    }

    @Override
    public String toString() {
      return tuple ? "a tuple" : "a list";
    }
  }

  /** A dictionary; keys that are no text, number or truth value are kept apart by identity. */
  record Dict(Map<Object, Object> values) {
    @Override
    public boolean equals(Object other) {
      return this == other;
    }

    @Override
    public int hashCode() {
      return System.identityHashCode(this);
    }

    @Override
    public String toString() {
      return "a dictionary";
    }
  }

  private TorchPickle(ByteBuffer in, Function<String, FormatException> refusal) {
    this.in = in;
    this.refusal = refusal;
  }

  /**
   * The object that a pickle describes: text, Long, Double, Boolean, {@link #NONE}, {@link Items},
   * {@link Dict}, {@link TorchGlobals.Stored}, or something without a meaning here.
   *
   * @param begin where the pickle lies in the file, for messages
   */
  static Object read(ByteBuffer pickle, String path, String name, long begin) {
    ByteBuffer in = pickle.slice().order(ByteOrder.LITTLE_ENDIAN);
    int[] opcode = new int[1];
    TorchPickle reader =
        new TorchPickle(
            in,
            message ->
                new FormatException(path + ": " + message + ", at byte " + (begin + opcode[0])));
    for (int steps = 0; steps < MAX_STEPS; steps++) {
      opcode[0] = in.position();
      int code = reader.length(1);
      if (code == '.') {
        Object result = reader.pop();
        if (!reader.stack.isEmpty() || in.hasRemaining()) {
          throw reader.refusal.apply("the pickle " + Names.quote(name) + " goes on after its end");
        }
        return result;
      }
      reader.step(code);
    }
    throw reader.refusal.apply("the pickle has more than " + MAX_STEPS + " instructions");
  }

  private void step(int code) {
    switch (code) {
      case 0x80 -> protocol(length(1));
      case 0x95 -> buffer(8);
      case '(' -> mark();
      case '}' -> push(new Dict(new LinkedHashMap<>()));
      case ']' -> push(new Items(new ArrayList<>(), false));
      case ')' -> push(new Items(List.of(), true));
      case 't' -> push(new Items(popMark(), true));
      case 0x85 -> push(tuple(1));
      case 0x86 -> push(tuple(2));
      case 0x87 -> push(tuple(3));
      case 'X' -> push(text(length(4)));
      case 0x8c -> push(text(length(1)));
      case 'U', 'C' -> push(opaque(length(1)));
      case 'T', 'B' -> push(opaque(length(4)));
      case 'K' -> push((long) length(1));
      case 'M' -> push((long) length(2));
      case 'J' -> push((long) buffer(4).getInt());
      case 0x8a -> push(number(bytes(length(1))));
      case 'G' -> push(buffer(8).order(ByteOrder.BIG_ENDIAN).getDouble());
      case 'N' -> push(NONE);
      case 0x88 -> push(true);
      case 0x89 -> push(false);
      case 'q' -> memo.put(length(1), top());
      case 'r' -> memo.put(length(4), top());
      case 0x94 -> memo.put(memo.size(), top());
      case 'h' -> push(remembered(length(1)));
      case 'j' -> push(remembered(length(4)));
      default -> stepOfObjects(code);
    }
  }

  private void stepOfObjects(int code) {
    switch (code) {
      case 'c' -> push(global(line(), line()));
      case 0x93 -> {
        Object name = pop();
        push(global(string(pop()), string(name)));
      }
      case 'Q' -> push(TorchGlobals.storage(items(pop()), refusal));
      case 'R' -> {
        Items arguments = items(pop());
        push(TorchGlobals.call(pop(), arguments.values, refusal));
      }
      case 'a' -> {
        Object value = pop();
        list(top()).add(value);
      }
      case 'e' -> {
        List<Object> values = popMark();
        list(top()).addAll(values);
      }
      case 's' -> {
        Object value = pop();
        Object key = pop();
        put(dict(top()), key, value);
      }
      case 'u' -> {
        List<Object> values = popMark();
        if (values.size() % 2 != 0) {
          throw refusal.apply("a dictionary with a key without a value");
        }
        Dict dict = dict(top());
        for (int i = 0; i < values.size(); i += 2) {
          put(dict, values.get(i), values.get(i + 1));
        }
      }
      case 'b' -> {
        // The attributes of an OrderedDict, such as the versions that state_dict() adds.
        dict(pop());
        dict(top());
      }
      default ->
          throw refusal.apply(
              "the pickle has the instruction 0x%02x, which is not among those that are read"
                      .formatted(code)
                  + TorchGlobals.REMEDY);
    }
  }

  private void protocol(int version) {
    if (version < 2 || version > 5) {
      throw refusal.apply("a pickle of protocol " + version + ", read are 2 to 5");
    }
  }

  private Object global(String module, String name) {
    return TorchGlobals.of(module, name, refusal);
  }

  private void put(Dict dict, Object key, Object value) {
    boolean plain =
        key instanceof String
            || key instanceof Long
            || key instanceof Double
            || key instanceof Boolean
            || key == NONE;
    if (!plain) {
      throw refusal.apply("a dictionary whose key is no text or number" + TorchGlobals.REMEDY);
    }
    dict.values.put(key, value);
  }

  private void mark() {
    marks.add(stack.size());
    push(MARK);
  }

  private List<Object> popMark() {
    if (marks.isEmpty()) {
      throw refusal.apply("the pickle ends a group that was not begun");
    }
    int at = marks.remove(marks.size() - 1);
    List<Object> group = stack.subList(at, stack.size());
    List<Object> values = new ArrayList<>(group.subList(1, group.size()));
    group.clear();
    return values;
  }

  private Items tuple(int count) {
    Object[] values = new Object[count];
    for (int i = count - 1; i >= 0; i--) {
      values[i] = pop();
    }
    return new Items(List.of(values), true);
  }

  private void push(Object value) {
    stack.add(value);
  }

  private Object top() {
    Object top = stack.isEmpty() ? MARK : stack.get(stack.size() - 1);
    if (top == MARK) {
      throw refusal.apply("the pickle takes a value that is not there");
    }
    return top;
  }

  private Object pop() {
    Object top = top();
    stack.remove(stack.size() - 1);
    return top;
  }

  private Object remembered(int index) {
    Object value = memo.get(index);
    if (value == null) {
      throw refusal.apply("the pickle takes back object " + index + ", which is not there");
    }
    return value;
  }

  private Dict dict(Object value) {
    if (value instanceof Dict dict) {
      return dict;
    }
    throw refusal.apply("the pickle fills a dictionary that is none" + TorchGlobals.REMEDY);
  }

  private List<Object> list(Object value) {
    if (value instanceof Items items && !items.tuple) {
      return items.values;
    }
    throw refusal.apply("the pickle fills a list that is none" + TorchGlobals.REMEDY);
  }

  private Items items(Object value) {
    if (value instanceof Items items && items.tuple) {
      return items;
    }
    throw refusal.apply("the pickle calls a function without a tuple of arguments");
  }

  private String string(Object value) {
    if (value instanceof String text) {
      return text;
    }
    throw refusal.apply("the pickle names a global by no text");
  }

  /** An unsigned number of one, two or four bytes; of four at most what an array can hold. */
  private int length(int bytes) {
    ByteBuffer number = buffer(bytes);
    long value =
        switch (bytes) {
          case 1 -> Byte.toUnsignedInt(number.get());
          case 2 -> Short.toUnsignedInt(number.getShort());
          default -> Integer.toUnsignedLong(number.getInt());
        };
    if (value > Integer.MAX_VALUE) {
      throw refusal.apply("the pickle has a length or index of " + value);
    }
    return (int) value;
  }

  private ByteBuffer buffer(int length) {
    if (length > in.remaining()) {
      throw refusal.apply(
          "the pickle ends " + in.remaining() + " bytes on, " + length + " more are expected");
    }
    ByteBuffer bytes = in.slice(in.position(), length).order(ByteOrder.LITTLE_ENDIAN);
    in.position(in.position() + length);
    return bytes;
  }

  private byte[] bytes(int length) {
    byte[] bytes = new byte[buffer(length).remaining()];
    in.get(in.position() - length, bytes);
    return bytes;
  }

  /** Bytes, which have no meaning here. */
  private Object opaque(int length) {
    buffer(length);
    return new Object();
  }

  private String text(int length) {
    try {
      CharBuffer text = StandardCharsets.UTF_8.newDecoder().decode(buffer(length));
      return text.toString();
    } catch (CharacterCodingException e) {
      throw refusal.apply("text that is no UTF-8");
    }
  }

  private String line() {
    int end = in.position();
    while (end < in.limit() && in.get(end) != '\n') {
      end++;
    }
    String line = text(end - in.position());
    buffer(1);
    return line;
  }

  private static Object number(byte[] bytes) {
    byte[] big = new byte[bytes.length + 1];
    for (int i = 0; i < bytes.length; i++) {
      big[bytes.length - i] = bytes[i];
    }
    big[0] = (byte) (bytes.length > 0 && bytes[bytes.length - 1] < 0 ? -1 : 0);
    BigInteger value = new BigInteger(big);
    return value.bitLength() < Long.SIZE ? (Object) value.longValue() : new Object();
  }
}
