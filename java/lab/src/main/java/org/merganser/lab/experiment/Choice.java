// SPDX-License-Identifier: Apache-2.0
package org.merganser.lab.experiment;

import java.util.ArrayList;
import java.util.List;
import org.merganser.method.Method;
import org.merganser.plan.Catalogue;

/**
 * A method of a comparison, or what it finds, with the settings it is tried with: of several, each
 * group of models takes the best.
 *
 * @param name in rows: its id, or its full text where another of that id is compared too
 * @param summary what it does
 * @param methods one for each combination of settings
 * @param settings of each, as text; nothing for a single one
 */
record Choice<M>(String name, String summary, List<M> methods, List<String> settings) {

  /** From a list as it is typed: {@code identity,cca:gamma=0.1/1}. */
  static <M extends Method> List<Choice<M>> of(Catalogue.Methods<M> known, String texts) {
    return of(known, Catalogue.Methods.split(texts));
  }

  /**
   * @throws IllegalArgumentException when there is none, one is there twice, or none such is known
   */
  static <M extends Method> List<Choice<M>> of(Catalogue.Methods<M> known, List<String> texts) {
    List<String> ids = texts.stream().map(known::id).toList();
    if (texts.stream().distinct().count() < texts.size()) {
      throw new IllegalArgumentException(
          "a method is there twice in " + texts + "; name each once");
    }
    List<Choice<M>> choices = new ArrayList<>();
    for (int i = 0; i < texts.size(); i++) {
      String id = ids.get(i);
      List<String> alternatives = Catalogue.Methods.alternatives(texts.get(i));
      boolean alone = ids.stream().filter(id::equals).count() == 1;
      choices.add(
          new Choice<>(
              alone ? id : texts.get(i),
              known.entry(id).summary(),
              alternatives.stream().map(known::method).toList(),
              alternatives.stream()
                  .map(text -> alternatives.size() == 1 ? "" : text.substring(id.length() + 1))
                  .toList()));
    }
    return choices;
  }
}
