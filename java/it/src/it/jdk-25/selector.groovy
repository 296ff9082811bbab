// SPDX-License-Identifier: Apache-2.0
// Finds a JDK 25 and leaves its home to the build in test.properties, or skips this consumer and says why.

boolean isJdk25(File home) {
  File release = new File(home, 'release')
  return new File(home, 'bin/java').canExecute() && release.file && release.text =~ /(?m)^JAVA_VERSION="25\b/
}

List<File> named = ['JAVA_HOME_25', 'JAVA_25_HOME'].collect { System.getenv(it) }.findAll().collect { new File(it) }
List<File> folders = [new File('/usr/lib/jvm'), new File('/opt'), new File(System.getProperty('user.home'), '.jdks'),
                      new File(System.getProperty('user.home'), '.sdkman/candidates/java')]
List<File> installed = folders.collectMany { (it.listFiles() ?: []) as List }.sort()
File home = (named + installed).find { isJdk25(it) }
if (home == null) {
  // System.out is the log of this consumer here; the reason belongs on the console.
  new PrintStream(new FileOutputStream(FileDescriptor.out), true).println(
      "[INFO] jdk-25 is skipped: no JDK 25 in JAVA_HOME_25, JAVA_25_HOME, ${folders.join(', ')}")
  return false
}
new File(basedir, 'test.properties').text = "jdk25.home=${home}\n"
return true
