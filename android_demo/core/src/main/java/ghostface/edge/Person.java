package ghostface.edge;

/** One enrolled person. */
public final class Person {
    public final String name;
    /** Number of templates enrolled. */
    public final int templates;
    /** Time of the first enrolment, ISO 8601, UTC. */
    public final String enrolledAt;
    /** Time of the last enrolment, ISO 8601, UTC. */
    public final String updatedAt;

    public Person(String name, int templates, String enrolledAt, String updatedAt) {
        this.name = name;
        this.templates = templates;
        this.enrolledAt = enrolledAt;
        this.updatedAt = updatedAt;
    }
}
