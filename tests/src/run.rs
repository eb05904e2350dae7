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
