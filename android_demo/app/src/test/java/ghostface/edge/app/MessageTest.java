package ghostface.edge.app;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNotEquals;
import static org.junit.Assert.assertTrue;

import android.content.Context;
import ghostface.edge.errors.GhostFaceException;
import java.io.File;
import java.lang.reflect.Modifier;
import java.util.Set;
import java.util.TreeSet;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;

@RunWith(RobolectricTestRunner.class)
public class MessageTest {
    /** Every class of the tree, wherever core's classes are. */
    private static Set<Class<?>> errors() throws Exception {
        String name = GhostFaceException.class.getName().replace('.', '/') + ".class";
        String at = GhostFaceException.class.getClassLoader().getResource(name).toString();
        Set<String> names = new TreeSet<>();
        if (at.startsWith("jar:file:")) {
            try (java.util.jar.JarFile jar = new java.util.jar.JarFile(at.substring(9, at.indexOf('!')))) {
                jar.stream().map(entry -> entry.getName()).forEach(names::add);
            }
        } else {
            for (File file : new File(at.substring("file:".length())).getParentFile().listFiles()) {
                names.add("ghostface/edge/errors/" + file.getName());
            }
        }
        Set<Class<?>> classes = new java.util.LinkedHashSet<>();
        for (String entry : names) {
            if (entry.startsWith("ghostface/edge/errors/") && entry.endsWith(".class")) {
                Class<?> type = Class.forName(entry.replace(".class", "").replace('/', '.'));
                if (!Modifier.isAbstract(type.getModifiers())) {
                    classes.add(type);
                }
            }
        }
        return classes;
    }

    @Test
    public void everyErrorHasWordsOfItsOwn() throws Exception {
        Context context = RuntimeEnvironment.getApplication();
        Set<Class<?>> errors = errors();
        assertTrue("the tree was found", errors.size() >= 14);
        for (Class<?> type : errors) {
            GhostFaceException error =
                    (GhostFaceException) type.getConstructor(String.class).newInstance("what was wrong");
            Message message = Message.of(error);
            assertNotEquals(type.getSimpleName(), R.string.failed, message.title);
            assertTrue(context.getString(message.title).length() > 5);
            assertTrue(context.getString(message.text).endsWith("."));
            assertEquals("what was wrong", message.detail);
        }
    }
}
