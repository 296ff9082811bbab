// SPDX-License-Identifier: Apache-2.0
package org.merganser.torch;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Arrays;
import java.util.Iterator;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.merganser.compute.DType;
import org.merganser.error.ShapeException;
import org.merganser.internal.Opened;
import org.merganser.linalg.Tensor;
import org.merganser.model.Inputs;
import org.merganser.torch.internal.Bridge;
import org.merganser.torch.internal.Digests;
import org.merganser.torch.internal.Libtorch;
import org.merganser.torch.internal.Shared;

/** Labelled samples in memory, which {@link #close} frees. */
public final class Examples implements Inputs.Labelled, AutoCloseable {
  private static final int BATCH = 1000;

  /** Activations of more images do not stay in the cache, and are mapped anew by every layer. */
  private static final int IMAGE_BATCH = 100;

  private final Tensor inputs;
  private final int[] labels;
  private final int classes;

  /**
   * @param inputs F32 [samples x ...], owned from then on
   * @param labels class of each sample, 0 to classes-1
   * @param classes number of classes
   */
  public Examples(Tensor inputs, int[] labels, int classes) {
    if (inputs.rank() < 2
        || inputs.dtype() != DType.F32
        || inputs.dim(0) != labels.length
        || labels.length == 0) {
      throw new ShapeException(
          "examples need F32 inputs [samples, ...] with a label each, not "
              + inputs
              + " and "
              + labels.length
              + " labels");
    }
    for (int i = 0; i < labels.length; i++) {
      if (labels[i] < 0 || labels[i] >= classes) {
        throw new IllegalArgumentException(
            "label " + labels[i] + " of sample " + i + " is not in 0.." + (classes - 1));
      }
    }
    this.inputs = inputs;
    this.labels = labels.clone();
    this.classes = classes;
  }

  /** F32 [samples x ...]; belongs to this. */
  public Tensor inputs() {
    return inputs;
  }

  /** A copy: the class of each sample, 0 to classes-1. */
  public int[] labels() {
    return labels.clone();
  }

  @Override
  public int label(long sample) {
    return labels[Math.toIntExact(sample)];
  }

  @Override
  public int classes() {
    return classes;
  }

  /** Number of samples. */
  public int size() {
    return labels.length;
  }

  @Override
  public long samples() {
    return labels.length;
  }

  /** All inputs in order, in batches that suit forward passes. The seed has no effect. */
  @Override
  public Iterator<Tensor> open(long seed) {
    return batches(batchSize()).open(seed);
  }

  /** Samples of a batch that suits forward passes. */
  public int batchSize() {
    return inputs.rank() == 2 ? BATCH : IMAGE_BATCH;
  }

  /** The first {@code count} samples; shares the memory. */
  public Examples first(int count) {
    if (count < 1 || count > size()) {
      throw new IllegalArgumentException(
          "cannot take " + count + " of " + size() + " samples; give 1 to " + size());
    }
    return new Examples(inputs.rows(0, count), Arrays.copyOf(labels, count), classes);
  }

  /** Some samples in the order given; a copy. */
  public Examples select(int... samples) {
    for (int sample : samples) {
      if (sample < 0 || sample >= size()) {
        throw new IllegalArgumentException(
            "there is no sample " + sample + "; they are 0.." + (size() - 1));
      }
    }
    long[] shape = inputs.shape();
    shape[0] = samples.length;
    try (Opened opened = new Opened()) {
      Tensor rows = opened.add(Tensor.allocate(DType.F32, shape));
      int[] classOf = new int[samples.length];
      for (int i = 0; i < samples.length; i++) {
        rows.rows(i, i + 1).memory().copyFrom(inputs.rows(samples[i], samples[i] + 1).memory());
        classOf[i] = labels[samples[i]];
      }
      Examples selected = new Examples(rows, classOf, classes);
      opened.release();
      return selected;
    }
  }

  /** SHA-256 of inputs, labels and number of classes, in hexadecimal digits. */
  public String digest() {
    String each = IntStream.of(labels).mapToObj(label -> " " + label).collect(Collectors.joining());
    return Digests.of(Map.of("inputs", inputs), "classes " + classes + " labels" + each);
  }

  @Override
  public boolean inMemory() {
    return true;
  }

  /** The inputs in order, in batches; the last may be smaller. The seed has no effect. */
  public Inputs batches(int batchSize) {
    if (batchSize < 1) {
      throw new IllegalArgumentException("batches need at least 1 sample, not " + batchSize);
    }
    return new Inputs() {
      @Override
      public Iterator<Tensor> open(long seed) {
        return new Iterator<>() {
          private int at;

          @Override
          public boolean hasNext() {
            return at < Examples.this.size();
          }

          @Override
          public Tensor next() {
            if (!hasNext()) {
              throw new NoSuchElementException();
            }
            int from = at;
            at = Math.min(from + batchSize, Examples.this.size());
            return inputs.rows(from, at);
          }
        };
      }

      @Override
      public long samples() {
        return Examples.this.size();
      }
    };
  }

  /**
   * The inputs in order, in batches, augmented: {@code open(seed)} draws with its seed as an epoch
   * 0 of training would.
   *
   * @throws ShapeException when the samples are no images
   */
  public Inputs batches(int batchSize, Augmentation augmentation) {
    augmentation.check(inputs.shape());
    Inputs plain = batches(batchSize);
    if (augmentation.isNone()) {
      return plain;
    }
    return new Inputs() {
      @Override
      public Iterator<Tensor> open(long seed) {
        return new AugmentedBatches(plain.open(seed), augmentation, seed);
      }

      @Override
      public long samples() {
        return plain.samples();
      }
    };
  }

  /** Each batch is a new tensor, closed when the next one is asked. */
  private static final class AugmentedBatches implements Iterator<Tensor> {
    private final Iterator<Tensor> plain;
    private final Augmentation augmentation;
    private final long seed;
    private int at;
    private Tensor last;

    AugmentedBatches(Iterator<Tensor> plain, Augmentation augmentation, long seed) {
      this.plain = plain;
      this.augmentation = augmentation;
      this.seed = seed;
    }

    @Override
    public boolean hasNext() {
      return plain.hasNext();
    }

    @Override
    @SuppressWarnings("try")
    public Tensor next() {
      if (last != null) {
        last.close();
      }
      Tensor batch = plain.next();
      int[] samples = IntStream.range(at, at + (int) batch.dim(0)).toArray();
      at += samples.length;
      // Whatever happens it is closed when the next one is asked.
      last = Tensor.allocate(DType.F32, batch.shape());
      try {
        return Libtorch.call(1, () -> copyAugmented(batch, samples, last));
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    @SuppressWarnings("try")
    private Tensor copyAugmented(Tensor batch, int[] samples, Tensor into) {
      try (Shared x = new Shared(batch);
          PointerScope scope = new PointerScope();
          NoGradGuard guard = new NoGradGuard()) {
        org.bytedeco.pytorch.Tensor changed =
            augmentation.apply(x.only(), seed, 0, samples).contiguous();
        into.memory().copyFrom(Bridge.view(changed).memory());
        return into;
      }
    }
  }

  @Override
  public void close() {
    inputs.close();
  }
}
