# Compares what two JVMs got and prints a row of the table; exits 1 if a difference has no reason.
#
#   differences.pl SHAPE VERSION DIRECTORY USED    DIRECTORY/official and DIRECTORY/flugs; the
#                                                  reasons that were found are added to USED
#   differences.pl --unused USED                   tells the reasons that nothing needed any more
use strict;
use warnings;

# Each reason: a pattern for a difference (`+` is what flugs has and the official image has not,
# `-` the other way round), one for "SHAPE VERSION" where it holds, and the reason. A pattern that
# stands twice is told apart by where it holds.
my $roles = qr/^(?!script-of-flinks|client)/;
my $not_writable = qr/^(read-only-conf|arbitrary-user|client-by-docker-exec-without-write-permission)/;
my @reasons = (
    [qr/^\+jvm -XX:CompileThresholdScaling=4$/, $roles, "methods are compiled later"],
    [qr/^\+jvm -XX:\+UseG1GC$/, $roles, "G1 on every TaskManager"],
    [qr/^\+jvm -XX:ErrorFile=/, $roles, "crash reports beside the log"],
    [qr/^-empty class path entries$/, $roles, "no empty class path entries"],
    [qr/^\+jvm --add-(opens|exports)=/, qr/^\S+ 1\.13\./, "module access, which 1.13 does not ship"],
    [qr/^\+jvm --add-(opens|exports)=/, qr/^mounted-file /, "module access, which the mounted file leaves out"],
    [qr/^\+variable ROOT_LOG_LEVEL=INFO$/, qr/^\S+ 1\.13\./, "ROOT_LOG_LEVEL, which 1.13 does not know"],
    [qr/^-conf-directory \/opt\/flink\/conf$/, $roles, "Flink reads a directory of the launch's own"],
    [qr/^\+conf-directory \/run\/flugs\//, $roles, "Flink reads a directory of the launch's own"],
    [qr/^-set query\.server\.port=/, qr/./, "no Flink reads query.server.port"],
    [qr/^\+set cluster\.registration\.error-delay=500$/, qr/./, "flugs looks for the JobManager again sooner"],
    [qr/^[-+]set (blob\.server\.port|jobmanager\.rpc\.address|taskmanager\.numberOfTaskSlots|rest\.port)=/,
        $not_writable, "variables count where conf cannot be written"],
    [qr/^[-+]set taskmanager\.cpu\.cores=/, qr/^read-only-conf-with-variables/, "variables count where conf cannot be written"],
    [qr/^[-+]jvm -Dlog\.file=/, qr/^arbitrary-user/, "the log is written where it can be"],
    [qr/^(-jvm -Da=b-Dc=d|\+jvm -D[ac]=[bd])$/, qr/^properties-with-blanks/, "values keep their blanks"],
    [qr/^([-+])set env\.java\.opts\.taskmanager=-Da=b(?(?{ $1 eq '+' }) )-Dc=d$/,
        qr/^properties-with-blanks/, "values keep their blanks"],
    [qr/^-set #/, qr/^properties-with-blanks/, "comments are no keys"],
    [qr/^[-+](set (blob\.server\.port|jobmanager\.rpc\.address)=|conf-directory )/, qr/^another-conf-directory/,
        "the configuration that is read is the one that is edited"],
    [qr/^refused: flugs: Flink 1\.13\S+ with ZooKeeper .* connects to nothing on Java \d+/, qr/^high-availability 1\.13\./,
        "refused, since it would connect to nothing on this Java"],
    [qr/^\+set high-availability\.(cluster-id|storageDir|zookeeper\.quorum)=/, qr/^high-availability (1\.20|2)\./,
        "keys below a key with a value are kept"],
);

# Keys that flugs writes under their current name for the Flink at hand, with the same value.
my %renamed = (
    'high-availability' => 'high-availability.type',
    'state.backend' => 'state.backend.type',
    'state.checkpoints.dir' => 'execution.checkpointing.dir',
);
my $renaming = "older names are written as the current ones";

sub key { my $reason = shift; "$reason->[0] in $reason->[1]" }

sub lines { my $path = shift; open my $file, '<', $path or return (); chomp(my @lines = <$file>); @lines }

if ($ARGV[0] eq '--unused') {
    my %used = map { $_ => 1 } lines($ARGV[1]);
    my @unused = grep { !$used{ $_->[0] } } map({ [key($_), $_->[2]] } @reasons), [$renaming, $renaming];
    print STDERR "No shape needs this reason any more: $_->[1] ($_->[0])\n" for @unused;
    exit(@unused ? 1 : 0);
}
my ($shape, $version, $directory, $used) = @ARGV;

# What one JVM got: its options, class path, main class, arguments and settings in effect.
sub got {
    my $record = shift;
    my ($conf) = (lines("$record/directory"), '?');
    my (@facts, %set, $main, @jvm, @others);
    for (lines("$record/settings")) { $set{$1} = $2 if /^([^=]+)=(.*)$/ }
    my @arguments = lines("$record/arguments");
    while (@arguments) {
        my $word = shift @arguments;
        if ($word eq '-classpath' || $word eq '-cp') {
            my @entries = split /:/, shift @arguments, -1;
            push @facts, 'class path ' . join(':', grep { $_ ne '' } @entries);
            push @facts, 'empty class path entries' if grep { $_ eq '' } @entries;
        }
        elsif (defined $main) {
            if ($word eq '-D' || $word =~ /^-D(.+)/) {
                my ($key, $value) = split /=/, $word eq '-D' ? shift @arguments : $1, 2;
                $value =~ s/^"(.*)"$/$1/;
                $set{$key} = $value;
            }
            elsif ($word eq '--configDir') { push @facts, 'conf-directory ' . shift @arguments }
            elsif ($word eq '--host') { $set{'jobmanager.rpc.address'} = shift @arguments }
            elsif ($word eq '--webui-port') { $set{'rest.port'} = shift @arguments }
            else { push @others, $word }
        }
        elsif ($word =~ /^[a-z][\w.]*\.[A-Z]\w*$/) { $main = $word }
        else { $word =~ s/\Q$conf\E/CONF/g; push @jvm, $word }
    }
    # A value in quotes is the value; several writers of YAML differ in them.
    for (values %set) { s/^(['"])(.*)\1$/$2/; }
    push @facts, map({ "jvm $_" } @jvm), map({ "set $_=$set{$_}" } sort keys %set);
    push @facts, "arguments @others", 'main ' . ($main // 'none');
    for my $kind ('plugin', 'variable') {
        push @facts, map({ "$kind $_" =~ s/=\Q$conf\E$/=CONF/r } lines("$record/${kind}s"));
    }
    push @facts, map({ "user $_" } lines("$record/user")), map({ "ended with $_" } lines("$record/code"));
    return ($main // 'none', \@jvm, @facts);
}

# The JVM's options that both have must stand in one order, since a later one wins.
sub common { my ($of, $also) = @_; my %also = map { $_ => 1 } @$also; join ' ', grep { $also{$_} } @$of }

my ($main, $official_jvm, @official) = got("$directory/official");
my ($flugs_main, $flugs_jvm, @flugs) = got("$directory/flugs");
my %official = map { $_ => 1 } @official, 'order ' . common($official_jvm, $flugs_jvm);
my %flugs = map { $_ => 1 } @flugs, 'order ' . common($flugs_jvm, $official_jvm);
my %differences = map { $_ => 1 } (
    map({ "-$_" } grep { !$flugs{$_} } keys %official),
    map({ "+$_" } grep { !$official{$_} } keys %flugs),
);
# What is refused has no JVM to compare, but a reason that it gives.
if ($flugs_main eq 'none' && $main ne 'none') {
    my @said = lines("$directory/flugs/log");
    %differences = ('refused: ' . ($said[-1] // 'without a word') => 1);
}
my (%said, @unexplained, @found);
for my $old (keys %renamed) {
    for (grep { /^-set \Q$old\E=/ } keys %differences) {
        my $new = s/^-set \Q$old\E=/+set $renamed{$old}=/r;
        next unless delete $differences{$new};
        delete $differences{$_};
        $said{$renaming}++;
        push @found, $renaming;
    }
}
for my $difference (sort keys %differences) {
    my ($reason) = grep { $difference =~ $_->[0] && "$shape $version" =~ $_->[1] } @reasons;
    if ($reason) { $said{ $reason->[2] }++; push @found, key($reason) }
    else { push @unexplained, $difference }
}
open my $file, '>>', $used or die "$used: $!\n";
print $file "$_\n" for @found;
close $file or die "$used: $!\n";

my $cell = join '; ', sort keys %said;
$cell .= ($cell ? '; ' : '') . "UNEXPLAINED: " . join(' ', map { "`$_`" } @unexplained) if @unexplained;
$cell = 'none' if $cell eq '';
$main =~ s/.*\.//;
my @same = grep { $flugs{$_} } keys %official;
my $of = sub { my $kind = shift; scalar grep { /^\Q$kind\E / } @same };
my $same = join ', ', $of->('jvm') . ' options', $of->('set') . ' settings', $of->('class path') . ' class path';
print "| $shape | $version | $main | $same | $cell |\n";
if ($main eq 'none') {
    print STDERR "$shape ($version): there was no JVM\n", map { "$_\n" } lines("$directory/official/log"), lines("$directory/flugs/log");
}
exit(@unexplained || $main eq 'none' ? 1 : 0);
