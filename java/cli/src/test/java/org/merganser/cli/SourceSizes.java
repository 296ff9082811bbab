// SPDX-License-Identifier: Apache-2.0
package org.merganser.cli;

import com.sun.source.tree.BlockTree;
import com.sun.source.tree.ClassTree;
import com.sun.source.tree.CompilationUnitTree;
import com.sun.source.tree.LambdaExpressionTree;
import com.sun.source.tree.LineMap;
import com.sun.source.tree.MethodTree;
import com.sun.source.tree.Tree;
import com.sun.source.util.JavacTask;
import com.sun.source.util.SourcePositions;
import com.sun.source.util.TreeScanner;
import com.sun.source.util.Trees;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import javax.tools.DiagnosticCollector;
import javax.tools.JavaFileObject;
import javax.tools.ToolProvider;

/**
 * Finds types and methods that are longer than they may be, in source code as the JDK's own
 * compiler parses it. Lines go from the first annotation or modifier to the closing brace; Javadoc
 * does not count. Constructors, initialisers and lambdas are methods here; nested types are part of
 * those around them, and fields (tables, mostly) only of their type.
 */
final class SourceSizes extends TreeScanner<Void, String> {
  static final int TYPE = 400;
  static final int METHOD = 60;

  private final CompilationUnitTree unit;
  private final SourcePositions positions;
  private final List<String> found;

  private SourceSizes(CompilationUnitTree unit, SourcePositions positions, List<String> found) {
    this.unit = unit;
    this.positions = positions;
    this.found = found;
  }

  /**
   * A line for each, with file, line, name, length and limit.
   *
   * @throws IllegalArgumentException when a source cannot be parsed
   */
  static List<String> over(Iterable<? extends JavaFileObject> sources) throws IOException {
    DiagnosticCollector<JavaFileObject> errors = new DiagnosticCollector<>();
    JavacTask task =
        (JavacTask)
            ToolProvider.getSystemJavaCompiler()
                .getTask(null, null, errors, List.of("-proc:none"), null, sources);
    Iterable<? extends CompilationUnitTree> units = task.parse();
    if (!errors.getDiagnostics().isEmpty()) {
      throw new IllegalArgumentException(errors.getDiagnostics().get(0).toString());
    }
    SourcePositions positions = Trees.instance(task).getSourcePositions();
    List<String> found = new ArrayList<>();
    for (CompilationUnitTree unit : units) {
      new SourceSizes(unit, positions, found).scan(unit, "");
    }
    return found;
  }

  @Override
  public Void visitClass(ClassTree type, String outer) {
    String own = type.getSimpleName().isEmpty() ? "(anonymous)" : type.getSimpleName().toString();
    String name = outer.isEmpty() ? own : outer + "." + own;
    check(type, name, TYPE);
    for (Tree member : type.getMembers()) {
      if (member instanceof BlockTree block) {
        check(block, name + (block.isStatic() ? ".<clinit>" : ".<init>"), METHOD);
      }
    }
    return super.visitClass(type, name);
  }

  @Override
  public Void visitMethod(MethodTree method, String type) {
    check(method, type + "." + method.getName(), METHOD);
    return super.visitMethod(method, type);
  }

  @Override
  public Void visitLambdaExpression(LambdaExpressionTree lambda, String type) {
    check(lambda, type + ".(lambda)", METHOD);
    return super.visitLambdaExpression(lambda, type);
  }

  private void check(Tree tree, String name, int most) {
    LineMap map = unit.getLineMap();
    long first = map.getLineNumber(positions.getStartPosition(unit, tree));
    long last = map.getLineNumber(positions.getEndPosition(unit, tree) - 1);
    long lines = last - first + 1;
    if (lines > most) {
      found.add(
          "%s:%d: %s has %d lines, at most %d are allowed"
              .formatted(unit.getSourceFile().getName(), first, name, lines, most));
    }
  }
}
