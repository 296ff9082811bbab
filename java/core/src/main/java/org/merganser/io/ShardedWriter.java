// SPDX-License-Identifier: Apache-2.0
package org.merganser.io;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.internal.Names;
import org.merganser.internal.Opened;
import org.merganser.internal.io.Uninterrupted;

/**
 * Writes any checkpoint, as a rule a view that computes what is read, as a folder in the layout of
 * Hugging Face, in parts: threads read a part of a tensor each, which computes it, and write it to
 * its place, so that reading, computing and writing overlap. Memory is a part for each thread and
 * what the view holds ({@link ShardPlan#memory}), whatever the model measures. The bytes do not
 * depend on threads or processes.
 *
 * <p>Whatever stops it, files under final names are whole: shards are {@code *.partial} until they
 * are on the disk, the index comes last. What is done is written down in {@code
 * merganser.unfinished}, and {@link Existing#RESUME} goes on from there: parts whose bytes have the
 * digest that was written down are not computed again. {@code merganser.json} says what the model
 * was made of, with digests of files and tensors.
 *
 * <pre>
 *   try (ShardedWriter writer = ShardedWriter.open(plan, folder, options)) {   // refuses, reserves
 *     ... other files, such as config.json ...
 *     writer.write(model, ws);                                                // shards, index last
 *   }
 * </pre>
 *
 * <p>Several processes may fill one folder ({@link Options#withPart}): process i of n writes the
 * shards j with {@code j mod n = i}, counted from 0, and {@link #index} finishes. The digest of a
 * tensor of up to 2 MiB is SHA-256 of its bytes; a larger one is divided into pieces, the largest
 * trailing sub-array of at most 2 MiB and as many of them as fit, anew in each of the next larger,
 * and has SHA-256 of the digests of the pieces.
 */
public final class ShardedWriter implements AutoCloseable {

  /** What becomes of a folder that is not empty. */
  public enum Existing {
    /** It is refused. */
    REFUSE,
    /** The same job goes on where it was stopped; anything else is refused. */
    RESUME,
    /** The model in it is deleted first, finished or not; other files stay. */
    REPLACE
  }

  /** Digests in {@code merganser.json}, SHA-256. */
  public enum Digest {
    /** Of tensors and of files, which are read once more for it. */
    FULL,
    /** Of tensors, taken while they are written. */
    TENSOR,
    NONE
  }

  /**
   * Settings.
   *
   * @param threads parts at the same time; 0 for as many as the Workspace has
   * @param job what the data follow from, such as a digest of recipe and inputs: another one does
   *     not resume
   * @param provenance a JSON object that {@code merganser.json} repeats
   * @param inputs files and folders that are read, which the output may not be or lie in
   * @param part which process this is, from 0, of {@code parts}; where these are more than shards,
   *     some have nothing to do: take smaller shards
   */
  public record Options(
      int threads,
      Digest digest,
      Existing existing,
      String job,
      String provenance,
      List<Path> inputs,
      int part,
      int parts) {
    public Options {
      inputs = List.copyOf(inputs);
      if (threads < 0 || threads > 256) {
        throw new IllegalArgumentException("threads must be 0 to 256, not " + threads);
      }
      if (part < 0 || part >= parts) {
        throw new IllegalArgumentException(
            "part " + part + " of " + parts + ": parts are counted from 0");
      }
      ModelManifest.requireObject(provenance);
    }

    /** Digests of tensors, one process, nothing overwritten. */
    public static Options defaults() {
      return new Options(0, Digest.TENSOR, Existing.REFUSE, "", "{}", List.of(), 0, 1);
    }

    public Options withThreads(int value) {
      return new Options(value, digest, existing, job, provenance, inputs, part, parts);
    }

    public Options withDigest(Digest value) {
      return new Options(threads, value, existing, job, provenance, inputs, part, parts);
    }

    public Options withExisting(Existing value) {
      return new Options(threads, digest, value, job, provenance, inputs, part, parts);
    }

    public Options withJob(String value) {
      return new Options(threads, digest, existing, value, provenance, inputs, part, parts);
    }

    public Options withProvenance(String json) {
      return new Options(threads, digest, existing, job, json, inputs, part, parts);
    }

    public Options withInputs(List<Path> values) {
      return new Options(threads, digest, existing, job, provenance, values, part, parts);
    }

    public Options withPart(int index, int count) {
      return new Options(threads, digest, existing, job, provenance, inputs, index, count);
    }
  }

  private final ShardPlan plan;
  private final OutputFolder folder;
  private final Options options;
  private final boolean finished;
  private final List<ShardFile> files = new ArrayList<>();

  private ShardedWriter(ShardPlan plan, OutputFolder folder, Options options, boolean finished) {
    this.plan = plan;
    this.folder = folder;
    this.options = options;
    this.finished = finished;
  }

  /**
   * Claims a folder for a plan, before anything is computed.
   *
   * @throws IOException when it is an input, is not empty as {@link Options#existing} wants it, has
   *     no room, holds another job, or another process writes the same shards
   */
  public static ShardedWriter open(ShardPlan plan, Path folder, Options options)
      throws IOException {
    OutputFolder output = new OutputFolder(folder);
    output.refuseInputs(options.inputs());
    WriteJob job =
        new WriteJob(
            options.job(),
            plan.digest(),
            options.digest().name(),
            options.provenance(),
            List.copyOf(plan.names()));
    if (options.part() >= plan.shards().size()) {
      System.getLogger(ShardedWriter.class.getName())
          .log(
              System.Logger.Level.INFO,
              "part {0} of {1} has nothing to write: the model has {2} shards; take smaller ones",
              options.part() + 1,
              options.parts(),
              plan.shards().size());
    }
    boolean finished = new Claim(output, plan, job, options).make();
    ShardedWriter writer = new ShardedWriter(plan, output, options, finished);
    try {
      if (!finished) {
        Uninterrupted.run(writer::begin);
      }
      return writer;
    } catch (IOException | RuntimeException e) {
      writer.close();
      throw e;
    }
  }

  /** Whether the folder held the whole model when it was opened, so that nothing is written. */
  public boolean isFinished() {
    return finished;
  }

  /** Shards of this process that are not complete. */
  private void begin() throws IOException {
    for (int i = options.part(); i < plan.shards().size(); i += options.parts()) {
      ShardPlan.Shard shard = plan.shards().get(i);
      Path target = folder.file(shard.name());
      try (Opened opened = new Opened()) {
        ShardJournal journal =
            opened.add(new ShardJournal(folder.journal(shard.name()), shard.pieces()));
        if (!journal.isComplete()) {
          files.add(new ShardFile(target, shard, plan.header(i), journal));
          opened.release();
        } else if (Files.exists(ShardFile.partial(target))) {
          ShardFile.rename(target);
        } else if (!Files.exists(target)) {
          throw new IOException(
              target + " was complete and is gone; begin again (--force, Existing.REPLACE)");
        }
      }
    }
  }

  /**
   * Writes the shards of this process; the only process finishes as {@link #index} does. What was
   * complete before is left as it is.
   *
   * @param model what the plan was made of
   * @throws IncompatibleModelsException when the model is not that of the plan
   */
  public void write(Checkpoint model, Workspace ws) throws IOException {
    if (finished) {
      return;
    }
    requirePlanned(model);
    if (!files.isEmpty()) {
      int threads = options.threads() == 0 ? ws.threads() : options.threads();
      new ShardWork(files, model, options.digest(), threads, ws).run();
    }
    close();
    if (options.parts() == 1) {
      Finish.run(folder);
    }
  }

  private void requirePlanned(Checkpoint model) {
    List<String> problems = new ArrayList<>();
    for (ShardPlan.Shard shard : plan.shards()) {
      shard
          .tensors()
          .forEach(
              (name, info) -> {
                if (!info.equals(model.info(name))) {
                  problems.add(
                      Names.quote(name) + " is " + model.info(name) + ", planned as " + info);
                }
              });
    }
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException("the model is not the planned one", problems);
    }
  }

  /**
   * Finishes what several processes wrote: {@code merganser.json}, then the index. What is finished
   * stays as it is.
   *
   * @throws IOException when shards are missing, naming them
   */
  public static void index(Path folder) throws IOException {
    OutputFolder output = new OutputFolder(folder);
    Optional<WriteJob> job = output.unfinished();
    if (job.isEmpty() && Files.exists(output.file(ModelManifest.FILE))) {
      return;
    }
    if (job.isEmpty()) {
      throw new IOException(folder + " holds nothing that is being written; name the output");
    }
    Finish.run(output);
  }

  /**
   * Compares a folder that was written here with the digests in its {@code merganser.json}.
   *
   * @return what is wrong, in words; empty when nothing is
   * @throws IOException when there are no digests
   */
  public static List<String> verify(Path folder, Workspace ws) throws IOException {
    return Verify.run(folder, ws);
  }

  /** Lets go of what was not written; it stays for {@link Existing#RESUME}. */
  @Override
  public void close() throws IOException {
    for (ShardFile file : files) {
      file.close();
    }
  }
}
