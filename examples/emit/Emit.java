import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

/** Run it with `java Emit.java`; it needs Java 11 or newer. */
class Emit {
    public static void main(String[] args) throws Exception {
        var url = System.getenv().getOrDefault("WS_EMIT_URL", "http://localhost:8899/emit");
        var request = HttpRequest.newBuilder(URI.create(url))
                .header("Authorization", "Bearer " + System.getenv("SECRET"))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(
                        "{\"event\": \"update\", \"room\": \"news\", \"data\": {\"title\": \"Gr\u00fc\u00dfe from Java\"}}"))
                .build();
        var answer = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
        if (answer.statusCode() != 200) {
            throw new IllegalStateException(answer.statusCode() + " " + answer.body());
        }
    }
}
