//! Turns scenarios into tests, one for each bank.

/// Runs scenarios of a bank with an authority of its own, each on an instance of its own.
#[macro_export]
macro_rules! on_both_banks {
    ($($subject:ident: $($scenario:ident)*;)*) => {
        $(mod $subject {
            $crate::on_both_banks!(@bank axum "CARGO_BIN_EXE_subject-axum" $subject $($scenario)*);
            $crate::on_both_banks!(@bank actix "CARGO_BIN_EXE_subject-actix" $subject $($scenario)*);
        })*
    };
    (@bank $bank:ident $program:literal $subject:ident $($scenario:ident)*) => {
        mod $bank {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $scenario() {
                let bank = $crate::subject::Launch::new(env!($program)).start().await;
                $crate::scenario::$subject::$scenario(&bank).await;
            })*
        }
    };
}

/// Runs scenarios that start banks themselves, with authorities and settings of their choice.
#[macro_export]
macro_rules! launched_on_both_banks {
    ($($subject:ident: $($scenario:ident)*;)*) => {
        $(mod $subject {
            $crate::launched_on_both_banks!(
                @bank axum "CARGO_BIN_EXE_subject-axum" $subject $($scenario)*
            );
            $crate::launched_on_both_banks!(
                @bank actix "CARGO_BIN_EXE_subject-actix" $subject $($scenario)*
            );
        })*
    };
    (@bank $bank:ident $program:literal $subject:ident $($scenario:ident)*) => {
        mod $bank {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $scenario() {
                let launch = $crate::subject::Launch::new(env!($program));
                $crate::scenario::$subject::$scenario(&launch).await;
            })*
        }
    };
}

/// Runs scenarios of a person in front of a bank, on each bank: with scripts `on`, `off`, or `both`
/// ways.
#[macro_export]
macro_rules! in_front_of_both_banks {
    ($($scripts:ident: $($scenario:ident)*;)*) => {
        mod axum {
            $($crate::in_front_of_both_banks!(
                @bank $scripts "CARGO_BIN_EXE_subject-axum" $($scenario)*
            );)*
        }
        mod actix {
            $($crate::in_front_of_both_banks!(
                @bank $scripts "CARGO_BIN_EXE_subject-actix" $($scenario)*
            );)*
        }
    };
    (@bank both $program:literal $($scenario:ident)*) => {
        $(mod $scenario {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn with_scripts() {
                $crate::in_front_of_both_banks!(@run On $program $scenario);
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn without_scripts() {
                $crate::in_front_of_both_banks!(@run Off $program $scenario);
            }
        })*
    };
    (@bank on $program:literal $($scenario:ident)*) => {
        $(mod $scenario {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn with_scripts() {
                $crate::in_front_of_both_banks!(@run On $program $scenario);
            }
        })*
    };
    (@bank off $program:literal $($scenario:ident)*) => {
        $(mod $scenario {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn without_scripts() {
                $crate::in_front_of_both_banks!(@run Off $program $scenario);
            }
        })*
    };
    (@run $scripts:ident $program:literal $scenario:ident) => {
        let launch = $crate::subject::Launch::new(env!($program));
        super::super::$scenario(&launch, $crate::browser::Scripts::$scripts).await;
    };
}

/// The same on one bank alone, for what is core's and the same behind every adapter.
#[macro_export]
macro_rules! in_front_of_one_bank {
    ($($scripts:ident: $($scenario:ident)*;)*) => {
        mod axum {
            $($crate::in_front_of_both_banks!(
                @bank $scripts "CARGO_BIN_EXE_subject-axum" $($scenario)*
            );)*
        }
    };
}
