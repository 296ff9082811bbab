// SPDX-License-Identifier: Apache-2.0
package org.merganser.testing;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import java.lang.reflect.Method;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.InvocationInterceptor;
import org.junit.jupiter.api.extension.ReflectiveInvocationContext;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.ArgumentsProvider;
import org.junit.jupiter.params.provider.ArgumentsSource;
import org.junit.jupiter.params.support.AnnotationConsumer;
import org.junit.jupiter.params.support.ParameterDeclarations;

/**
 * A property that holds for {@code value} drawn cases: the method takes one {@link Draw}, whose
 * seeds are 1, 2, ... A failure names the seed and what was drawn; {@code -Dmerganser.seed=17} runs
 * that case alone.
 */
@Target(ElementType.METHOD)
@Retention(RetentionPolicy.RUNTIME)
@ParameterizedTest
@ArgumentsSource(Cases.Seeds.class)
@ExtendWith(Cases.Naming.class)
public @interface Cases {
  int value();

  /** The draws of a property, one per seed. */
  final class Seeds implements ArgumentsProvider, AnnotationConsumer<Cases> {
    private int cases;

    @Override
    public void accept(Cases annotation) {
      cases = annotation.value();
    }

    @Override
    public Stream<? extends Arguments> provideArguments(
        ParameterDeclarations parameters, ExtensionContext context) {
      Long only = Long.getLong("merganser.seed");
      LongStream seeds = only == null ? LongStream.rangeClosed(1, cases) : LongStream.of(only);
      return seeds.mapToObj(seed -> Arguments.of(new Draw(seed)));
    }
  }

  /** Puts the case before the message of what it threw. */
  final class Naming implements InvocationInterceptor {
    @Override
    public void interceptTestTemplateMethod(
        Invocation<Void> invocation,
        ReflectiveInvocationContext<Method> method,
        ExtensionContext context) {
      try {
        invocation.proceed();
      } catch (Throwable thrown) {
        throw new AssertionError(method.getArguments().get(0) + ": " + thrown, thrown);
      }
    }
  }
}
