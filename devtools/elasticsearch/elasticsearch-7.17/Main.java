import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.reindex.ReindexPlugin;
import org.elasticsearch.transport.Netty4Plugin;

/** A single Elasticsearch node on loopback. Arguments: home folder, HTTP port. */
public class Main {
    static class SingleNode extends Node {
        SingleNode(Environment environment) {
            super(environment, Arrays.asList(Netty4Plugin.class, ReindexPlugin.class), false);
        }
    }

    public static void main(String[] args) throws Exception {
        Settings settings = Settings.builder()
            .put("path.home", args[0])
            .put("path.data", Path.of(args[0], "data").toString())
            .put("node.name", "console-devtools")
            .put("cluster.name", "console-devtools")
            .put("discovery.type", "single-node")
            .put("network.host", "127.0.0.1")
            .put("http.port", args[1])
            .put("transport.port", "0")
            .put("http.type", "netty4")
            .put("transport.type", "netty4")
            .put("cluster.max_shards_per_node", 20000)
            .put("cluster.routing.allocation.disk.threshold_enabled", false)
            .put("action.auto_create_index", true)
            .build();
        Environment environment = InternalSettingsPreparer.prepareEnvironment(
            settings, Map.of(), Path.of(args[0], "config"), () -> "console-devtools");
        Node node = new SingleNode(environment);
        node.start();
        // The starter holds our standard input open: when it ends, however it ends, so do we.
        while (System.in.read() != -1) { }
        node.close();
        System.exit(0);
    }
}
