package evensong;

import io.delta.storage.S3SingleDriverLogStore;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.util.Arrays;
import java.util.Iterator;
import java.util.UUID;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FSDataOutputStreamBuilder;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;

/**
 * Delta's log on S3, in which a commit never replaces another one.
 *
 * Delta's own store looks whether the version is free and then puts it. A writer that stalls
 * between the two puts its commit over another writer's. Here the store itself decides, by a put
 * with `If-None-Match: *`, and Delta goes on as after every conflict: it compares both commits and
 * takes the next version, or refuses.
 */
public class ConditionalLogStore extends S3SingleDriverLogStore {
    private static final String MARK = "evensong-write-id";

    public ConditionalLogStore(Configuration hadoop) {
        super(hadoop);
    }

    public void write(Path path, Iterator actions, Boolean overwrite, Configuration hadoop)
            throws IOException {
        if (overwrite.booleanValue()) {
            super.write(path, actions, overwrite, hadoop);
            return;
        }
        FileSystem files = path.getFileSystem(hadoop);
        String id = UUID.randomUUID().toString();
        FSDataOutputStream stream = create(files, path, id);
        try {
            while (actions.hasNext()) {
                stream.write((actions.next() + "\n").getBytes(StandardCharsets.UTF_8));
            }
        } catch (Throwable broken) {
            stream.abort(); // closing would commit the first half of the actions
            throw broken;
        }
        try {
            stream.close();
        } catch (IOException refused) {
            settle(files, path, id, refused);
        }
    }

    private static FSDataOutputStream create(FileSystem files, Path path, String id)
            throws IOException {
        FSDataOutputStreamBuilder created = files.createFile(path);
        created.create();
        created.recursive();
        created.must("fs.option.create.conditional.overwrite", true);
        created.must("fs.s3a.create.header." + MARK, id);
        return (FSDataOutputStream) created.build();
    }

    /** An answer that was lost is asked for again, and then the store refuses what it has taken. */
    private static void settle(FileSystem files, Path path, String id, IOException refused)
            throws IOException {
        if (!files.exists(path)) {
            throw refused;
        }
        byte[] found = (byte[]) files.getXAttrs(path).get("header." + MARK);
        if (found != null && Arrays.equals(found, id.getBytes(StandardCharsets.UTF_8))) {
            return;
        }
        throw (IOException) new FileAlreadyExistsException(path.toString()).initCause(refused);
    }
}
