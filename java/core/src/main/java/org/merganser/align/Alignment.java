// SPDX-License-Identifier: Apache-2.0
package org.merganser.align;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.merganser.compute.Workspace;
import org.merganser.error.IncompatibleModelsException;
import org.merganser.error.NumericalException;
import org.merganser.io.Checkpoint;
import org.merganser.linalg.Polar.Completion;
import org.merganser.model.Architecture;
import org.merganser.model.Inputs;
import org.merganser.model.Network;

/**
 * The feature maps of one model into the reference's features, one for each space. Immutable. Saved
 * as {@code *.mgalign}, which is a safetensors file.
 *
 * <p>It owns its maps: whoever loads it or puts it together closes it; one from an {@link
 * AlignmentSet} is closed with the set. Aligned models and {@link #inverse} are views: they borrow
 * the maps, and reading them after {@link #close} is an {@link IllegalStateException}, as is every
 * other use of the maps. Scores and spectra can still be read.
 */
public final class Alignment implements AutoCloseable {
  private final String method;
  private final Architecture architecture;
  private final Architecture reference;
  private final Map<String, SpaceAlignment> spaces;

  /** Whose maps these are, for a view. */
  private final Alignment owner;

  private volatile boolean closed;

  /** Of models of the same widths. */
  Alignment(String method, Architecture architecture, Map<String, SpaceAlignment> spaces) {
    this(method, architecture, architecture, spaces);
  }

  Alignment(
      String method,
      Architecture architecture,
      Architecture reference,
      Map<String, SpaceAlignment> spaces) {
    this(method, architecture, reference, spaces, null);
  }

  private Alignment(
      String method,
      Architecture architecture,
      Architecture reference,
      Map<String, SpaceAlignment> spaces,
      Alignment owner) {
    Map<String, FeatureMap> maps = new LinkedHashMap<>();
    spaces.forEach((id, space) -> maps.put(id, space.map()));
    List<String> problems = Correspondence.problems(architecture, reference, maps);
    if (!problems.isEmpty()) {
      throw new IncompatibleModelsException("maps do not fit the architecture", problems);
    }
    this.method = method;
    this.architecture = architecture;
    this.reference = reference;
    Map<String, SpaceAlignment> inOrder = new LinkedHashMap<>();
    architecture.spaces().forEach(space -> inOrder.put(space.id(), spaces.get(space.id())));
    this.spaces = Collections.unmodifiableMap(inOrder);
    this.owner = owner;
  }

  /**
   * An alignment from maps found elsewhere, which it owns from then on, of models of the same
   * architecture.
   *
   * @throws IncompatibleModelsException when a space has no map, a map no space, or widths differ
   */
  public static Alignment of(
      String method, Architecture architecture, Map<String, ? extends FeatureMap> maps) {
    return of(method, architecture, architecture, maps);
  }

  /**
   * The same into a reference of other widths.
   *
   * @param architecture of the model that is mapped
   * @param reference has the same spaces, bound to the same axes
   */
  public static Alignment of(
      String method,
      Architecture architecture,
      Architecture reference,
      Map<String, ? extends FeatureMap> maps) {
    Map<String, SpaceAlignment> spaces = new LinkedHashMap<>();
    maps.forEach(
        (id, map) ->
            spaces.put(id, new SpaceAlignment(map, Double.NaN, new double[0], Completion.NONE)));
    return new Alignment(method, architecture, reference, spaces);
  }

  /** The method that found it, with its settings where these are known: {@code Method.text}. */
  public String method() {
    return method;
  }

  /** Of the model that is mapped. */
  public Architecture architecture() {
    return architecture;
  }

  /** Of the model whose features it is mapped into; the same where all widths are. */
  public Architecture reference() {
    return reference;
  }

  /** By id of the space, in order. */
  public Map<String, SpaceAlignment> spaces() {
    return spaces;
  }

  /** The map of one space. */
  public FeatureMap map(String space) {
    requireOpen();
    architecture.space(space);
    return spaces.get(space).map();
  }

  /** Whether every map is of a family that leaves the function of the network unchanged. */
  public boolean isExact() {
    return architecture.spaces().stream().allMatch(s -> spaces.get(s.id()).isExact(s));
  }

  /** Whether every map has an inverse; else some are pairs. */
  public boolean isInvertible() {
    return spaces.values().stream().allMatch(space -> space.map().isInvertible());
  }

  /**
   * The inverse maps, of the reference into the model's features: {@code T^-1} in closed form.
   * Scores and spectra stay, as they belong to the pair. A view: closing it frees nothing, and it
   * ends with this alignment.
   *
   * @throws NumericalException when some maps are pairs, which have no inverse
   */
  public Alignment inverse() {
    requireOpen();
    if (!isInvertible()) {
      throw new NumericalException(
          "the alignment by "
              + method
              + " has no inverse: the maps of spaces "
              + spaces.keySet().stream().filter(id -> !spaces.get(id).map().isInvertible()).toList()
              + " are pairs; take it the other way round (otherWay), or align the models so");
    }
    return otherWay();
  }

  /**
   * The maps of the reference into the model's features by the same matrices ({@link
   * FeatureMap#otherWay}): the inverse where there is one, pairs exchanged. A view, as {@link
   * #inverse} is.
   */
  public Alignment otherWay() {
    requireOpen();
    Map<String, SpaceAlignment> turned = new LinkedHashMap<>();
    spaces.forEach(
        (id, space) ->
            turned.put(
                id,
                new SpaceAlignment(
                    space.map().otherWay(),
                    space.score(),
                    space.spectrum(),
                    space.completion(),
                    space.evidence())));
    return new Alignment(method, reference, architecture, turned, this);
  }

  /**
   * The model in the reference's features, as a lazy view: {@code W' = T_out W T_in^-1}, {@code
   * T_out W S_in} for pairs of maps. Where widths differ it has the reference's shapes. Products
   * are formed in F64 and rounded once to the type of the tensor; permutations copy the bits.
   * Scales of normalisations follow {@link NormRule#spread}. Reading finite parameters that a map
   * takes out of the range of their type is a {@link org.merganser.error.NumericalException}.
   *
   * @throws IncompatibleModelsException when the checkpoint does not fit the architecture, or what
   *     it becomes the reference's
   */
  public Checkpoint apply(Checkpoint checkpoint) {
    return apply(checkpoint, NormRule.spread());
  }

  /**
   * The same with another rule for normalisations.
   *
   * @throws IncompatibleModelsException when the checkpoint, or the reference of the rule, does not
   *     fit the architecture
   */
  public Checkpoint apply(Checkpoint checkpoint, NormRule rule) {
    requireOpen();
    architecture.require("the model", checkpoint);
    if (rule instanceof NormRule.Reference other) {
      reference.require("the reference", other.model());
    }
    boolean resized =
        spaces.values().stream().anyMatch(s -> s.map().width() != s.map().referenceWidth());
    if (!resized) {
      return new AlignedCheckpoint(this, checkpoint, rule);
    }
    Checkpoint view = new ResizedCheckpoint(this, checkpoint, rule);
    reference.require("what the maps lead to", view);
    return view;
  }

  /**
   * Checks the algebra of every map: how far {@code T T^-1} is from I, and conditioning. Warnings
   * say what makes a map doubtful.
   */
  public Verification verify(Workspace ws) {
    requireOpen();
    return Verification.ofMaps(this, ws);
  }

  /**
   * Checks the algebra, that the architecture is complete for a model ({@link
   * Architecture#doubts}), and that dense maps meet no negative scale of a normalisation.
   *
   * @throws IncompatibleModelsException when the checkpoint does not fit the architecture
   */
  public Verification verify(Checkpoint model, Workspace ws) {
    requireOpen();
    architecture.require("the model", model);
    return Verification.ofMaps(this, ws)
        .withWarnings(architecture.doubts(model))
        .withWarnings(NegativeScales.warnings(this, model, ws));
  }

  /**
   * Checks the algebra, and recomputes what the activations of a model allow: where one linear
   * layer alone leads from a space to another, whether {@code f(W h + b)} gives the activations
   * stored for the second, with f one of the common nonlinearities, and whether it still does for
   * the mapped weights and activations. A wrong order of layers, a tap in another place and
   * activations of another model show here.
   *
   * @param model the one that is mapped
   * @param activations its folder, as for {@link org.merganser.stats.Moments#fromFiles}
   * @throws IncompatibleModelsException when the checkpoint does not fit the architecture
   */
  public Verification verify(Checkpoint model, Path activations, Workspace ws) throws IOException {
    requireOpen();
    architecture.require("the model", model);
    return Verification.ofActivations(this, model, activations, ws)
        .withWarnings(NegativeScales.warnings(this, model, ws));
  }

  /**
   * Checks the algebra, and measures how much the output of the model changes when it is mapped: 0
   * up to rounding for exact maps.
   */
  public Verification verify(Network network, Checkpoint model, Inputs inputs, Workspace ws)
      throws IOException {
    requireOpen();
    return Verification.ofModel(this, network, model, inputs, ws);
  }

  /** Writes {@code *.mgalign}. */
  public void save(Path path, Workspace ws) throws IOException {
    requireOpen();
    AlignmentFile.save(this, path, ws);
  }

  /** Reads {@code *.mgalign}. */
  public static Alignment load(Path path, Workspace ws) throws IOException {
    return AlignmentFile.load(path, ws);
  }

  /** Frees the maps, which end what borrows them too; further calls do nothing. */
  @Override
  public void close() {
    closed = true;
    spaces.values().forEach(space -> space.map().close());
  }

  private void requireOpen() {
    if (closed) {
      throw new IllegalStateException("this alignment by " + method + " is already closed");
    }
    if (owner != null) {
      owner.requireOpen();
    }
  }

  @Override
  public String toString() {
    return "Alignment by " + method + " of " + spaces.keySet();
  }
}
